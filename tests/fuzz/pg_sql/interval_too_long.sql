SELECT timestamp '2024-01-01' - interval '300000 years', interval '9e99 days', - interval '-178956970 years -8 mons'
