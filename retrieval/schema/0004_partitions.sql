-- A search reads the partitions of its tenant by name: a plan over the parents would have to be made for, and lock, the
-- partitions of every tenant. `enter` tells their number, or null where the tenant has none in the space of the release.
;;
create or replace function enter(a_tenant text, a_roles text[], a_clearance int, a_release int default null)
returns table (problem text, release int, space int, fingerprint text, dimension int, analyzer text, tenant int)
language plpgsql security definer set search_path = knowledge, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_tenant int; v_release int; v_state text; v_space space%rowtype;
begin
    perform set_config('knowledge.acl', '{}', true), set_config('knowledge.segments', '{}', true),
            set_config('knowledge.tenant', '0', true), set_config('knowledge.release', '0', true);
    if a_tenant is null or a_roles is null or a_clearance is null or cardinality(a_roles) = 0 then
        return query select 'principal', null::int, null::int, null::text, null::int, null::text, null::int;
        return;
    end if;
    select t.id into v_tenant from tenant t where t.name = a_tenant;
    if v_tenant is null then
        return query select 'tenant', null::int, null::int, null::text, null::int, null::text, null::int;
        return;
    end if;
    select coalesce(a_release, s.release) into v_release from serving s;
    select r.state into v_state from release r where r.number = v_release;
    if v_state is null or v_state = 'purged' then
        return query select 'release', null::int, null::int, null::text, null::int, null::text, null::int;
        return;
    end if;
    select s.* into v_space from space s join release r on r.space = s.id where r.number = v_release;
    perform
        set_config('knowledge.tenant', v_tenant::text, true),
        set_config('knowledge.release', v_release::text, true),
        set_config('knowledge.acl', coalesce((
            select array_agg(a.id order by a.id) from acl a
            where a.tenant = v_tenant and a.clearance <= a_clearance and a.roles && a_roles), '{}')::text, true),
        set_config('knowledge.segments', coalesce((
            select array_agg(g.segment order by g.segment) from segment g
            where g.space = v_space.id and g.tenant = v_tenant
              and g.added_in <= v_release and g.removed_in > v_release), '{}')::text, true);
    return query select null::text, v_release, v_space.id, v_space.fingerprint, v_space.dimension, v_space.analyzer,
        (select n.tenant from numbering n where n.space = v_space.id and n.tenant = v_tenant);
end
$$
;;
-- Partitions carry the same policies as their parents, so the reader may select from them. Statistics and masks are read
-- whole: the inner selects make the settings constants of a statement instead of parsing them for every row.
do $$
declare
    v_table record;
begin
    for v_table in
        select c.oid::regclass::text as name, c.relname ~ '^(stat|mask)' as whole
        from pg_class c join pg_namespace n on n.oid = c.relnamespace join space s on n.nspname = 'space_' || s.id
        where c.relkind in ('r', 'p') and c.relname ~ '^(document|chunk|posting|stat|mask)(_[0-9]+)?$'
    loop
        execute format('grant select on %s to knowledge_reader', v_table.name);
        if v_table.whole then
            execute format($policy$
                alter policy visible on %s using (
                    tenant = (select current_setting('knowledge.tenant')::int)
                    and acl_id = any ((select current_setting('knowledge.acl')::int[])::int[])
                    and segment = any ((select current_setting('knowledge.segments')::int[])::int[]))
            $policy$, v_table.name);
        end if;
    end loop;
end
$$
