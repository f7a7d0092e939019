//! Accounts that are being erased.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let erasing = Table::alter().table("users").add_column(string_len_null("erasing", 32)).to_owned();
        manager.alter_table(erasing).await?;
        manager
            .create_index(
                Index::create()
                    .name("users_by_erasing")
                    .table("users")
                    .col("erasing")
                    .and_where(Expr::col("erasing").is_not_null())
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_index(Index::drop().name("users_by_erasing").table("users").to_owned()).await?;
        manager.alter_table(Table::alter().table("users").drop_column("erasing").to_owned()).await
    }
}
