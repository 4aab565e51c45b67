-- The search index: published events, copied from the tickets journal. Built again when the file is deleted.

-- How far the journal was followed; written with what it caused.
CREATE TABLE follower (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL
);
INSERT INTO follower (id, seq) VALUES (1, 0);

-- Venues that have events here, by place. The box is in single precision and a little larger than the point.
CREATE TABLE place (
    venue_id INTEGER PRIMARY KEY,
    lat REAL NOT NULL,
    lon REAL NOT NULL,
    city_key TEXT NOT NULL
);
CREATE VIRTUAL TABLE place_box USING rtree (venue_id, lat_min, lat_max, lon_min, lon_max);

-- One row an event. The key begins with the start in seconds, so rows, and with them the lists of rows that hold a word, lie in
-- order of date: the next fifty of a list are read, never sorted.
CREATE TABLE doc (
    key INTEGER PRIMARY KEY,
    event_id INTEGER NOT NULL UNIQUE,
    venue_id INTEGER NOT NULL,
    starts_at INTEGER NOT NULL,
    lat REAL NOT NULL,
    lon REAL NOT NULL,
    city_key TEXT NOT NULL, -- folded: lower case, without accents
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    venue TEXT NOT NULL,
    city TEXT NOT NULL,
    category TEXT NOT NULL,
    cell TEXT NOT NULL,   -- which square of the map, as a word
    summary TEXT NOT NULL -- JSON, as it is answered
);
CREATE INDEX doc_by_category ON doc (category, key);
CREATE INDEX doc_by_city ON doc (city_key, key);
CREATE INDEX doc_by_city_category ON doc (city_key, category, key);
CREATE INDEX doc_by_venue ON doc (venue_id, key);

-- Two indexes of words: what stands on the poster, and everything. Words that are common in descriptions but not in
-- names would make a search of the names walk over all of them if it were one.
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
