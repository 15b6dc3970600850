SELECT '{"x": "one"}'::STRUCT
