-- Row-level security of one table. Policies hold scalar integer comparisons only: they are leakproof, so a
-- reader's own conditions keep their indexes. The inner selects make the settings constants of a statement.
-- A setting that is absent or empty raises: access fails closed.
;;
alter table {table} enable row level security
;;
alter table {table} force row level security
;;
create policy owner on {table} to knowledge_owner using (true) with check (true)
;;
create policy visible on {table} for select to knowledge_reader using ({visible})
;;
grant select on {table} to knowledge_reader
;;
create trigger changed after insert or update or delete or truncate on {table}
    for each statement execute function knowledge.changed()
