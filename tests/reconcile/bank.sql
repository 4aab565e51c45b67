-- tickets.db (main, already read) against the books of the sandbox bank (bank), which share no code with it. The bank leads: money moves there
-- first. So what the tickets know must be at the bank at any moment (finding); what only the bank knows may be on its way, and is a contradiction
-- when all has come to rest (unsettled).
CREATE TEMP TABLE unsettled (name TEXT NOT NULL, line TEXT);
CREATE TEMP TABLE moved AS
    SELECT session_id AS session, sum(CASE kind WHEN 'capture' THEN amount ELSE 0 END) AS captured, sum(CASE kind WHEN 'refund' THEN amount ELSE 0 END) AS refunded,
        min(currency) AS currency, count(DISTINCT currency) AS currencies, sum(kind = 'capture') AS captures, sum(kind NOT IN ('capture', 'refund')) AS others FROM bank.entry GROUP BY session_id;
INSERT INTO finding SELECT 'bank-books', 'session ' || s.id || ' says ' || s.captured || ' in and ' || s.refunded || ' out, its entries ' || coalesce(m.captured, 0) || ' and ' || coalesce(m.refunded, 0)
    FROM bank.session s LEFT JOIN moved m ON m.session = s.id
    WHERE s.captured <> coalesce(m.captured, 0) OR s.refunded <> coalesce(m.refunded, 0) OR m.refunded > m.captured OR m.currencies > 1 OR m.captures > 1 OR m.others > 0;
INSERT INTO finding SELECT 'bank-books', 'refunds of session ' || s.id || ' are not its entries' FROM bank.session s
    WHERE s.refunded <> (SELECT coalesce(sum(amount), 0) FROM bank.refund r WHERE r.session_id = s.id);
-- Captures one by one.
CREATE TEMP TABLE pair AS
    SELECT c.event_id AS event, c.payment_id AS payment, c.provider_ref, c.amount, c.currency, s.id AS session, m.captured, m.refunded, m.currency AS bank_currency, p.session_ref
    FROM main.capture c LEFT JOIN bank.session s ON s.payment_ref = c.provider_ref LEFT JOIN moved m ON m.session = s.id
    LEFT JOIN temp.payment p ON p.event_id = c.event_id AND p.id = c.payment_id WHERE c.provider = 'sandbox';
INSERT INTO finding SELECT 'capture-not-at-bank', 'payment ' || payment || ' of ' || event || ' took ' || amount || ' ' || currency || ' by ' || provider_ref || ', the bank says ' || coalesce(captured || ' ' || bank_currency, 'nothing')
    FROM pair WHERE captured IS NOT amount OR bank_currency IS NOT currency OR session_ref IS NOT session;
INSERT INTO finding SELECT 'refund-not-at-bank', 'payment ' || payment || ' of ' || event || ' gave ' || given || ' of ' || provider_ref || ' back, the bank says ' || coalesce(refunded, 0)
    FROM (SELECT *, (SELECT coalesce(sum(r.amount), 0) FROM temp.refund r WHERE r.event_id = pair.event AND r.payment_id = pair.payment AND r.provider_ref = pair.provider_ref AND r.state = 1) AS given FROM pair)
    WHERE given > coalesce(refunded, 0);
INSERT INTO unsettled SELECT 'bank-knows-more', 'session ' || s.id || ' for ' || s.reference || ' holds ' || m.captured || ' that nobody here has booked'
    FROM bank.session s JOIN moved m ON m.session = s.id WHERE m.captured > 0 AND s.payment_ref NOT IN (SELECT provider_ref FROM main.capture WHERE provider = 'sandbox');
INSERT INTO unsettled SELECT 'bank-gave-more', 'payment ' || payment || ' of ' || event || ': the bank gave ' || refunded || ' back, here it is ' || given
    FROM (SELECT *, (SELECT coalesce(sum(r.amount), 0) FROM temp.refund r WHERE r.event_id = pair.event AND r.payment_id = pair.payment AND r.provider_ref = pair.provider_ref AND r.state = 1) AS given FROM pair)
    WHERE coalesce(refunded, 0) > given;
INSERT INTO unsettled SELECT 'refund-open', 'refund ' || id || ' of ' || event_id || ' has not been paid' FROM temp.refund WHERE state = 0;
-- Event by event and in total: what the bank has kept is what good tickets cost, plus what it would not give back.
CREATE TEMP TABLE balance AS
    SELECT e.id AS event, e.currency, (SELECT coalesce(sum(m.captured - m.refunded), 0) FROM temp.payment p JOIN moved m ON m.session = p.session_ref WHERE p.event_id = e.id AND p.provider = 'sandbox') AS kept,
        (SELECT coalesce(sum(t.price), 0) FROM temp.ticket t JOIN temp.payment p ON p.event_id = t.event_id AND p.booking_id = t.booking_id
            WHERE t.event_id = e.id AND t.state = 0 AND p.provider = 'sandbox') +
        (SELECT coalesce(sum(r.amount), 0) FROM temp.refund r JOIN temp.payment p ON p.event_id = r.event_id AND p.id = r.payment_id
            WHERE r.event_id = e.id AND r.state = 2 AND p.provider = 'sandbox') AS sold FROM main.event e;
INSERT INTO unsettled SELECT 'event-balance', 'event ' || event || ': the bank keeps ' || kept || ', tickets are good for ' || sold FROM balance WHERE kept <> sold;
INSERT INTO unsettled SELECT 'total-balance', 'the bank keeps ' || kept || ', tickets are good for ' || sold
    FROM (SELECT (SELECT coalesce(sum(CASE kind WHEN 'capture' THEN amount ELSE -amount END), 0) FROM bank.entry) AS kept, (SELECT coalesce(sum(sold), 0) FROM balance) AS sold) WHERE kept <> sold;
