-- Local items: who sells in category 10 in three states. All of both streams may meet, so the span has no end that matters.
CREATE STREAM q3 AS
SELECT p.name, p.city, p.state, a.id
FROM auction a
JOIN person p WITHIN 3650 DAYS ON a.seller = p.id
WHERE a.category = 10 AND p.state IN ('OR', 'ID', 'CA');
