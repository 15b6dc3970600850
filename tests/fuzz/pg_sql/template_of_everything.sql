SELECT to_char(timestamp '0001-01-01', 'CC J IYYY RM Q W WW IW IDDD TZ OF "a\"b'), to_char(-0.5, 'S9.9PRTHV9'), to_date('', ''), to_timestamp('é', 'Mon')
