-- Buyers of the event get a conversation with its organizer, where the chat service runs.
ALTER TABLE event ADD COLUMN buyer_chat INTEGER NOT NULL DEFAULT 0;
