-- Masks are found by when they began, never by access set: with a hundred sets in sight, to look each up in a table of them
-- is cheaper than to compare it with one after the other.
;;
do $$
declare
    v_table text;
begin
    for v_table in
        select c.oid::regclass::text
        from pg_class c join pg_namespace n on n.oid = c.relnamespace join space s on n.nspname = 'space_' || s.id
        where c.relkind in ('r', 'p') and c.relname ~ '^mask(_[0-9]+)?$'
    loop
        execute format($policy$
            alter policy visible on %s using (
                tenant = (select current_setting('knowledge.tenant')::int)
                and acl_id in (select unnest(current_setting('knowledge.acl')::int[]))
                and segment = any ((select current_setting('knowledge.segments')::int[])::int[]))
        $policy$, v_table);
    end loop;
end
$$
