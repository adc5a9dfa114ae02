-- An exact scan reads vectors and what the policy needs from one index, in the order of access sets, in spaces that are there
-- already; new ones have it from space.sql. Vectors of more than 1,300 numbers do not fit into it.
;;
do $$
declare
    v_space record;
    v_covered text;
begin
    for v_space in select id, dimension from space loop
        if to_regclass(format('space_%s.chunk', v_space.id)) is not null then
            v_covered := case when v_space.dimension <= 1300
                then 'include (chunk, added_in, removed_in, expires_at, embedding)' else '' end;
            execute format('create index if not exists chunk_visible on space_%s.chunk (tenant, acl_id) %s',
                           v_space.id, v_covered);
            execute format('drop index if exists space_%s.chunk_tenant_acl_id_idx', v_space.id);
        end if;
    end loop;
end
$$
