//! The schema, one change a file, the same on SQLite and PostgreSQL.
//!
//! Each change runs in a transaction on both databases (SQLite does so only when told), so a failed one leaves nothing.

use sea_orm_migration::prelude::*;
pub use sea_orm_migration::{MigrationStatus, MigratorTrait, seaql_migrations};

mod m20260101_000001_accounts;
mod m20260101_000002_rooms;
mod m20260101_000003_log;
mod m20260101_000004_governance;
mod m20260101_000005_reactions;
mod m20260101_000006_receipts;
mod m20260101_000007_search;
mod m20260101_000008_erasure;
mod m20260101_000009_media;
mod m20260101_000010_search_and_reaction_indexes;
mod m20260101_000011_search_secure_delete;
mod m20260101_000012_nodes;
mod m20260101_000013_search_rows;
mod m20260101_000020_search_keys;
mod m20260101_000021_emoji_forms;
mod m20260101_000022_counted_letters;
mod m20260101_000023_announced_uploads;
mod m20260101_000024_replaced_pictures;
mod m20260101_000026_spent_tokens;
mod m20260101_000027_known_addresses;
mod m20260101_000028_invisible;
mod m20260101_000029_contacts;
mod m20260101_000030_additions;
mod m20260101_000032_profiles;
mod m20260101_000040_follower_cursors;
mod m20260101_000041_folded_letters;
mod m20260101_000042_withdrawn_files;

/// Every change, oldest first.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20260101_000001_accounts::Migration),
            Box::new(m20260101_000002_rooms::Migration),
            Box::new(m20260101_000003_log::Migration),
            Box::new(m20260101_000004_governance::Migration),
            Box::new(m20260101_000005_reactions::Migration),
            Box::new(m20260101_000006_receipts::Migration),
            Box::new(m20260101_000007_search::Migration),
            Box::new(m20260101_000008_erasure::Migration),
            Box::new(m20260101_000009_media::Migration),
            Box::new(m20260101_000010_search_and_reaction_indexes::Migration),
            Box::new(m20260101_000011_search_secure_delete::Migration),
            Box::new(m20260101_000012_nodes::Migration),
            Box::new(m20260101_000013_search_rows::Migration),
            Box::new(m20260101_000020_search_keys::Migration),
            Box::new(m20260101_000021_emoji_forms::Migration),
            Box::new(m20260101_000022_counted_letters::Migration),
            Box::new(m20260101_000023_announced_uploads::Migration),
            Box::new(m20260101_000024_replaced_pictures::Migration),
            Box::new(m20260101_000026_spent_tokens::Migration),
            Box::new(m20260101_000027_known_addresses::Migration),
            Box::new(m20260101_000028_invisible::Migration),
            Box::new(m20260101_000029_contacts::Migration),
            Box::new(m20260101_000030_additions::Migration),
            Box::new(m20260101_000032_profiles::Migration),
            Box::new(m20260101_000040_follower_cursors::Migration),
            Box::new(m20260101_000041_folded_letters::Migration),
            Box::new(m20260101_000042_withdrawn_files::Migration),
        ]
    }
}
