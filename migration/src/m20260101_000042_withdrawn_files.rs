//! Files that were taken back are found without a look at all of them: the sweeper asks every minute.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = Index::create()
            .name("media_withdrawn")
            .table("media")
            .col("withdrawn_at")
            .and_where(Expr::col("withdrawn_at").is_not_null())
            .to_owned();
        manager.create_index(index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_index(Index::drop().name("media_withdrawn").table("media").to_owned()).await
    }
}
