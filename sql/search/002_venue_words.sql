-- The venue becomes a word beside the square of the map, so that words at one venue are a question to the word index. Everything
-- here is a copy, so nothing is converted: the index starts over, and the journal is followed from its beginning.
DROP TRIGGER doc_insert;
DROP TRIGGER doc_delete;
DROP TABLE doc_title;
DROP TABLE doc_text;
DROP TABLE doc;
DELETE FROM place_box;
DELETE FROM place;
UPDATE follower SET seq = 0 WHERE id = 1;

CREATE TABLE doc (
    key INTEGER PRIMARY KEY,
    event_id INTEGER NOT NULL UNIQUE,
    venue_id INTEGER NOT NULL,
    starts_at INTEGER NOT NULL,
    lat REAL NOT NULL,
    lon REAL NOT NULL,
    city_key TEXT NOT NULL, -- folded: lower case, without accents
    category TEXT NOT NULL,
    summary TEXT NOT NULL, -- JSON, as it is answered
    name TEXT NOT NULL,
    venue TEXT NOT NULL,
    city TEXT NOT NULL,
    cell TEXT NOT NULL, -- which square of the map and which venue, as two words
    description TEXT NOT NULL
);
CREATE INDEX doc_by_category ON doc (category, key);
CREATE INDEX doc_by_city ON doc (city_key, key);
CREATE INDEX doc_by_city_category ON doc (city_key, category, key);
CREATE INDEX doc_by_venue ON doc (venue_id, key);

CREATE VIRTUAL TABLE doc_title USING fts5 (
    name, venue, city, category, cell,
    content = 'doc', content_rowid = 'key', columnsize = 0, prefix = '2 3',
    tokenize = 'unicode61 remove_diacritics 2'
);
CREATE VIRTUAL TABLE doc_text USING fts5 (
    name, description, venue, city, category, cell,
    content = 'doc', content_rowid = 'key', columnsize = 0,
    tokenize = 'unicode61 remove_diacritics 2'
);
-- Words are collected in memory for a whole batch of rows; 1 MiB, the default, is a tenth of a large one.
INSERT INTO doc_title (doc_title, rank) VALUES ('hashsize', 16777216);
INSERT INTO doc_text (doc_text, rank) VALUES ('hashsize', 16777216);
-- The server merges pieces when it is idle, two of them suffice.
INSERT INTO doc_title (doc_title, rank) VALUES ('usermerge', 2);
INSERT INTO doc_text (doc_text, rank) VALUES ('usermerge', 2);
CREATE TRIGGER doc_insert AFTER INSERT ON doc BEGIN
    INSERT INTO doc_title (rowid, name, venue, city, category, cell)
        VALUES (new.key, new.name, new.venue, new.city, new.category, new.cell);
    INSERT INTO doc_text (rowid, name, description, venue, city, category, cell)
        VALUES (new.key, new.name, new.description, new.venue, new.city, new.category, new.cell);
END;
CREATE TRIGGER doc_delete AFTER DELETE ON doc BEGIN
    INSERT INTO doc_title (doc_title, rowid, name, venue, city, category, cell)
        VALUES ('delete', old.key, old.name, old.venue, old.city, old.category, old.cell);
    INSERT INTO doc_text (doc_text, rowid, name, description, venue, city, category, cell)
        VALUES ('delete', old.key, old.name, old.description, old.venue, old.city, old.category, old.cell);
END;
