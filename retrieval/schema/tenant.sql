-- Partitions of one tenant in one space; policies and grants stand on the parents and on each partition.
;;
create table {schema}.document_{tenant} partition of {schema}.document for values in ({tenant})
;;
create table {schema}.chunk_{tenant} partition of {schema}.chunk for values in ({tenant})
;;
create table {schema}.posting_{tenant} partition of {schema}.posting for values in ({tenant})
;;
create table {schema}.stat_{tenant} partition of {schema}.stat for values in ({tenant})
;;
create table {schema}.mask_{tenant} partition of {schema}.mask for values in ({tenant})
;;
-- Texts are read k at a time and vectors all the time: keep the vector in the row.
alter table {schema}.chunk_{tenant} alter column embedding set storage plain
