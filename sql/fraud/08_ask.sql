-- How many alerts of each kind.
SELECT reason, COUNT(*) AS alerts, COUNT(DISTINCT card_id) AS cards FROM alerts GROUP BY reason ORDER BY reason;

-- Whom to call first, and what the card usually pays.
SELECT a.card_id, c.holder, c.city, COUNT(DISTINCT a.reason) AS reasons, MAX(a.score) AS score, MAX(s.usual) AS usual
FROM alerts a JOIN cards c ON a.card_id = c.card_id JOIN spending s ON a.card_id = s.card_id
GROUP BY a.card_id, c.holder, c.city
ORDER BY reasons DESC, score DESC, a.card_id
LIMIT 5;

-- Terminals that are risky now.
SELECT terminal_id, windowstart, cards, total FROM risky_terminals ORDER BY cards DESC, terminal_id LIMIT 5;
