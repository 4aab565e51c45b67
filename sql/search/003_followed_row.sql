-- The row that was followed last, by its hash: a journal that was restored to an earlier moment does not have it, or has another one under
-- its number. Then the index is of what never happened, and starts over.
ALTER TABLE follower ADD COLUMN hash BLOB NOT NULL DEFAULT x'';
