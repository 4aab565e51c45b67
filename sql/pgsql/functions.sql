-- Functions that every schema on PostgreSQL has, made anew whenever a node migrates it. The audit reads JSON with them: a text that is
-- not what it should be must become a finding, never an error that ends the question.
CREATE OR REPLACE FUNCTION json_of(source text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RETURN source::jsonb;
EXCEPTION WHEN data_exception OR statement_too_complex THEN
    RETURN NULL;
END $$;
-- A whole number; NULL when it is none.
CREATE OR REPLACE FUNCTION json_int(value jsonb) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN jsonb_typeof(value) = 'number' AND value::numeric BETWEEN -9223372036854775808 AND 9223372036854775807 THEN trunc(value::numeric)::bigint END
$$;
-- The items of a list; none of anything else.
CREATE OR REPLACE FUNCTION json_items(list jsonb) RETURNS SETOF jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_array_elements(CASE jsonb_typeof(list) WHEN 'array' THEN list ELSE '[]' END)
$$;
-- The members of an object; none of anything else.
CREATE OR REPLACE FUNCTION json_members(object jsonb, OUT name text, OUT value jsonb) RETURNS SETOF record LANGUAGE sql IMMUTABLE AS $$
    SELECT m.key, m.value FROM jsonb_each(CASE jsonb_typeof(object) WHEN 'object' THEN object ELSE '{}' END) m
$$;
