//! From where each account has signed in: whoever guesses at its password from elsewhere must not lock its owner out.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("known_addresses")
                    .col(uuid("user_id"))
                    .col(string_len("address", 64))
                    .col(big_integer("seen_at"))
                    .primary_key(Index::create().col("user_id").col("address"))
                    .foreign_key(ForeignKey::create().from("known_addresses", "user_id").to("users", "id"))
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("known_addresses").to_owned()).await
    }
}
