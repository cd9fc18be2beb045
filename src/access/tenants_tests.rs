use std::sync::Arc;

use super::*;
use crate::{
    access::{NewKey, users::NewUser},
    clock::{Clock, Ids},
    domain::ids::UserId,
    store::{Store, memory::MemoryStore, records::AuditRecord},
};

async fn open(store: &Arc<dyn Store>) -> Access {
    Access::open(Arc::clone(store), [7; 32], Clock::start(), Arc::new(Ids::default())).await.unwrap()
}

fn store() -> Arc<dyn Store> {
    Arc::new(MemoryStore::default())
}

async fn user(access: &Access, role: Role, tenant: OwnerId) -> Arc<User> {
    let login = format!("{role}-{}", access.users().len());
    access.create_user(NewUser { login, name: String::new(), role, tenant }, "test").await.unwrap().0
}

async fn key(access: &Access, plan: Plan, owner: OwnerId) -> Arc<ApiKey> {
    access.mint_key(NewKey { plan, ..NewKey::admin("bot") }, owner, "test").await.unwrap().0
}

#[tokio::test]
async fn the_smaller_of_the_keys_plan_and_its_tenants_is_in_force_and_a_person_has_none() {
    let access = open(&store()).await;
    let (boss, anna) = (user(&access, Role::Owner, OwnerId::SELF).await, user(&access, Role::Member, OwnerId::SELF).await);
    assert_eq!((boss.tenant, anna.tenant), (OwnerId::SELF, anna.id.tenant()));
    for ceiling in Plan::ALL {
        access.set_ceiling(anna.tenant, ceiling, "test").await.unwrap();
        for own in Plan::ALL {
            let (hers, other) = (key(&access, own, anna.tenant).await, key(&access, own, OwnerId::SELF).await);
            assert_eq!(access.plan_of(&hers), own.min(ceiling), "{own:?} under {ceiling:?}");
            assert_eq!(access.plan_of(&other), own, "another tenant's is not touched");
            assert_eq!(access.minted_key(hers.id).unwrap().plan, own, "what is written on the key stays");
        }
        assert_eq!(access.plan_of(&anna.principal()), Plan::Unlimited);
    }
}

#[tokio::test]
async fn a_ceiling_is_recorded_in_the_audit_once_and_survives_a_restart() {
    let store = store();
    let access = open(&store).await;
    let anna = user(&access, Role::Member, OwnerId::SELF).await;
    for plan in [Plan::Unlimited, Plan::Pro, Plan::Pro, Plan::Free] {
        access.set_ceiling(anna.tenant, plan, "key_test").await.unwrap();
    }
    drop(access);
    let access = open(&store).await;
    assert_eq!((access.ceiling(anna.tenant), access.ceiling(OwnerId::SELF)), (Plan::Free, Plan::Unlimited));
    let records = store.scan(records::AUDIT, None, 100).await.unwrap();
    let read = |(key, entry): &(Vec<u8>, _)| records::decode::<AuditRecord>(key, entry).unwrap();
    let told: Vec<_> = records.iter().map(read).filter(|record| record.action == "tenant.plan").collect();
    let told: Vec<_> = told.iter().map(|record| (record.target.as_str(), record.detail.as_str())).collect();
    let id = anna.tenant.to_string();
    assert_eq!(told, [(id.as_str(), "plan pro (was unlimited)"), (id.as_str(), "plan free (was pro)")]);
}

/// A folder that was made before there were ceilings has no record of a tenant.
#[tokio::test]
async fn where_nothing_was_ever_set_nothing_is_limited() {
    let store = store();
    let access = open(&store).await;
    let anna = user(&access, Role::Member, OwnerId::SELF).await;
    let (hers, other) = (key(&access, Plan::Pro, anna.tenant).await, key(&access, Plan::Unlimited, OwnerId::SELF).await);
    drop(access);
    assert!(store.scan(records::TENANTS, None, 1).await.unwrap().is_empty());
    let access = open(&store).await;
    assert_eq!((access.plan_of(&hers), access.plan_of(&other)), (Plan::Pro, Plan::Unlimited));
    assert!(access.tenants(None, 10).iter().all(|tenant| tenant.plan == Plan::Unlimited));
}

#[tokio::test]
async fn tenants_are_listed_with_what_is_theirs_the_hubs_own_first() {
    let access = open(&store()).await;
    assert_eq!(access.tenants(None, 10).len(), 1, "a hub without users has its own");
    assert_eq!(access.tenant(OwnerId::SELF).unwrap().founder, None);
    let boss = user(&access, Role::Owner, OwnerId::SELF).await;
    let (anna, bert) = (user(&access, Role::Member, OwnerId::SELF).await, user(&access, Role::Owner, OwnerId::SELF).await);
    user(&access, Role::Viewer, anna.tenant).await;
    let revoked = key(&access, Plan::Free, anna.tenant).await;
    access.revoke_key(revoked.id, "test").await.unwrap();
    key(&access, Plan::Free, anna.tenant).await;
    access.mint_token("", anna.tenant, "test").await.unwrap();
    let all = access.tenants(None, 10);
    let ids: Vec<_> = all.iter().map(|tenant| tenant.id).collect();
    assert_eq!(ids, [OwnerId::SELF, anna.tenant, bert.tenant]);
    let founders: Vec<_> = all.iter().map(|tenant| tenant.founder.as_ref().unwrap().id).collect();
    assert_eq!(founders, [boss.id, anna.id, bert.id]);
    let counts: Vec<_> = all.iter().map(|tenant| (tenant.users, tenant.keys, tenant.tokens)).collect();
    assert_eq!(counts, [(1, 0, 0), (2, 1, 1), (1, 0, 0)]);
    assert_eq!(access.tenants(Some(OwnerId::SELF), 1), all[1..2]);
    assert_eq!(access.tenants(Some(bert.tenant), 1), []);
    // Whoever is gone, was never there, or owns nothing is no tenant.
    access.delete_user(bert.id, "test").await.unwrap();
    let viewers = access.users().iter().find(|user| user.role == Role::Viewer).unwrap().id.tenant();
    for id in [bert.tenant, viewers, boss.id.tenant(), UserId::new(ulid::Ulid(9)).tenant()] {
        assert_eq!(access.tenant(id), None);
        assert!(matches!(access.set_ceiling(id, Plan::Free, "test").await, Err(AccessError::NotFound)));
    }
}
