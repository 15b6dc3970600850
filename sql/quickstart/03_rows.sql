INSERT INTO cards VALUES ('c1', 'Ann', 'DE', 1000.00), ('c2', 'Bo', 'CH', 50.00);

INSERT INTO payments VALUES
    ('c1', 12.50, 'coffee', 'DE', 52.5, 13.4, now()),
    ('c2', 75.00, 'shoes', 'CH', 47.4, 8.5, now());
