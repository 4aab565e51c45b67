-- What the bank tells the merchant of the card: the same for the same card, and no way back to it.
ALTER TABLE session ADD COLUMN card_fingerprint TEXT NOT NULL DEFAULT '';
