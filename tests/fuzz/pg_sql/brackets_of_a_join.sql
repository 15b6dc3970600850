CREATE TABLE x AS SELECT c.page AS page, p.title   title FROM clicked c JOIN   ((((((((((((((((p)))))))))))))))) ON c.pageWHERE= p.page
