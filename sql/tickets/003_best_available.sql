-- Best available: the point that people want to sit near, of the plan and, where they differ, of a
-- category; NULL: it follows from the rows.
ALTER TABLE plan ADD COLUMN focal_x REAL;
ALTER TABLE plan ADD COLUMN focal_y REAL;
ALTER TABLE plan_category ADD COLUMN focal_x REAL;
ALTER TABLE plan_category ADD COLUMN focal_y REAL;
-- Whoever chooses seats on the map leaves no seat alone (1).
ALTER TABLE event ADD COLUMN orphan_rule INTEGER NOT NULL DEFAULT 0;
