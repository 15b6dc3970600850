SELECT country, n, total FROM per_country ORDER BY total DESC LIMIT 10;

SELECT card_id, amount, credit_limit FROM over_limit;
