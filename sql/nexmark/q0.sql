-- Pass through: what it costs to read and write.
CREATE STREAM q0 AS
SELECT auction, bidder, price, date_time, extra
FROM bid;
