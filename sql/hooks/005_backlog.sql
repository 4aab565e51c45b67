-- How many deliveries of an application wait: counted in the transactions that make and end them.
CREATE TABLE application_backlog (
    app_id INTEGER PRIMARY KEY,
    pending INTEGER NOT NULL
);
INSERT INTO application_backlog (app_id, pending)
SELECT app_id, count(*) FROM (
    SELECT app_id FROM delivery_00 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_01 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_02 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_03 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_04 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_05 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_06 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_07 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_08 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_09 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_10 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_11 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_12 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_13 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_14 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_15 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_16 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_17 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_18 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_19 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_20 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_21 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_22 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_23 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_24 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_25 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_26 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_27 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_28 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_29 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_30 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_31 WHERE next_at IS NOT NULL UNION ALL
    SELECT app_id FROM delivery_32 WHERE next_at IS NOT NULL
) AS waiting GROUP BY app_id;
