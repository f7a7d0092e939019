//! Refresh tokens that were used a moment ago: for a while the same one may come again.

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
                    .table("spent_tokens")
                    .col(pk_uuid("jti"))
                    .col(uuid("session_id"))
                    .col(big_integer("used_at"))
                    .foreign_key(
                        ForeignKey::create()
                            .from("spent_tokens", "session_id")
                            .to("sessions", "id")
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create().name("spent_tokens_by_session").table("spent_tokens").col("session_id").to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("spent_tokens").to_owned()).await
    }
}
