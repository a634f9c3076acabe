//! The door to DataFusion: plans and runs queries over one view, and hands out their rows.
//!
//! Queries run on one partition: an answer's order then depends on the data alone, and small
//! queries, which are most of them, do not pay for distribution.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::temporal_conversions::timestamp_us_to_datetime;
use datafusion::execution::config::SessionConfig;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::execution::{FunctionRegistry, TaskContext};
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::Statement;
use futures::StreamExt;
use tastedb_engine::CancelToken;

use crate::error::Result;
use crate::exec::failure;
use crate::outcome::Rows;
use crate::provider::{BATCH_ROWS, CATALOG, SCHEMA, Tables};
use crate::runtime::Runtime;

/// Plans and runs queries. Cheap to clone; shared by the sessions of a database.
#[derive(Clone)]
pub(crate) struct Planner {
    base: Arc<SessionState>,
    runtime: Runtime,
}

impl Planner {
    /// A planner whose queries run on `threads` threads of their own, within `memory` bytes.
    pub(crate) fn new(threads: usize, memory: Option<usize>) -> Result<Planner> {
        let mut config = SessionConfig::new()
            .with_default_catalog_and_schema(CATALOG, SCHEMA)
            .with_information_schema(true)
            .with_target_partitions(1)
            .with_batch_size(BATCH_ROWS);
        let parser = &mut config.options_mut().sql_parser;
        parser.map_string_types_to_utf8view = false;
        parser.collect_spans = true;
        parser.enable_ident_normalization = true;
        // Queries write nothing outside of the database: what does not fit memory is an error.
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
        let mut env = RuntimeEnvBuilder::new().with_disk_manager_builder(disk);
        if let Some(bytes) = memory {
            env = env.with_memory_pool(Arc::new(GreedyMemoryPool::new(bytes)));
        }
        let base = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(env.build_arc().map_err(failure::of_datafusion)?)
            .with_default_features()
            .build();
        Ok(Planner { base: Arc::new(base), runtime: Runtime::new(threads)? })
    }

    /// The state of one statement. `now` is the present, in microseconds since 1970.
    pub(crate) fn state(&self, tables: Option<Tables>, now: i64) -> SessionState {
        let mut state = SessionState::clone(&self.base);
        if let Some(tables) = tables {
            for function in tables.functions() {
                // Registering cannot fail; one of the same name is replaced.
                let _ = state.register_udf(Arc::clone(function));
            }
            state.register_catalog_list(Arc::new(tables));
        }
        state.execution_props_mut().query_execution_start_time =
            timestamp_us_to_datetime(now).map(|moment| moment.and_utc());
        state
    }

    /// Runs a query to its end.
    pub(crate) fn rows(
        &self,
        tables: Tables,
        now: i64,
        query: Statement,
        cancel: &CancelToken,
    ) -> Result<Rows> {
        let mut batches = Vec::new();
        let schema = self.stream(tables, now, query, cancel, &mut |batch| {
            batches.push(batch);
            Ok(())
        })?;
        Ok(Rows { schema, batches })
    }

    /// Runs a query and hands over its batches as they come; returns their schema.
    pub(crate) fn stream(
        &self,
        tables: Tables,
        now: i64,
        query: Statement,
        cancel: &CancelToken,
        each: &mut dyn FnMut(RecordBatch) -> Result<()>,
    ) -> Result<SchemaRef> {
        let (plan, context) = self.plan(tables, now, query, cancel)?;
        let schema = plan.schema();
        self.runtime.stream(
            cancel,
            move |sink| async move {
                let mut stream = execute_stream(plan, context).map_err(failure::of_datafusion)?;
                while let Some(batch) = stream.next().await {
                    let batch = batch.map_err(failure::of_datafusion)?;
                    if batch.num_rows() > 0 && !sink.send(batch).await {
                        break;
                    }
                }
                Ok(())
            },
            each,
        )?;
        Ok(schema)
    }

    /// The schema that a query's rows would have, without running it.
    pub(crate) fn schema_of(
        &self,
        tables: Tables,
        now: i64,
        query: Statement,
        cancel: &CancelToken,
    ) -> Result<SchemaRef> {
        Ok(self.plan(tables, now, query, cancel)?.0.schema())
    }

    /// The types of a query's open parameters, by name (`$1`), where they can be told.
    pub(crate) fn parameters(
        &self,
        tables: Tables,
        now: i64,
        query: Statement,
        cancel: &CancelToken,
    ) -> Result<Vec<(String, DataType)>> {
        let state = self.state(Some(tables), now);
        self.runtime.wait(cancel, async move {
            let statement = DfStatement::Statement(Box::new(query));
            let plan = state.statement_to_plan(statement).await.map_err(failure::of_datafusion)?;
            let types = plan.get_parameter_types().map_err(failure::of_datafusion)?;
            Ok(types.into_iter().filter_map(|(name, ty)| Some((name, ty?))).collect())
        })
    }

    /// DataFusion's plan of a query, as text.
    pub(crate) fn explain(
        &self,
        tables: Tables,
        now: i64,
        query: Statement,
        cancel: &CancelToken,
    ) -> Result<String> {
        let (plan, _) = self.plan(tables, now, query, cancel)?;
        let shown = datafusion::physical_plan::displayable(plan.as_ref());
        Ok(shown.indent(false).to_string())
    }

    /// The same with what each part of the plan did, for which it is run.
    pub(crate) fn explain_analyze(
        &self,
        tables: Tables,
        now: i64,
        query: Statement,
        cancel: &CancelToken,
    ) -> Result<String> {
        let (plan, context) = self.plan(tables, now, query, cancel)?;
        self.runtime.wait(cancel, async move {
            let mut stream =
                execute_stream(Arc::clone(&plan), context).map_err(failure::of_datafusion)?;
            while let Some(batch) = stream.next().await {
                batch.map_err(failure::of_datafusion)?;
            }
            let shown = DisplayableExecutionPlan::with_metrics(plan.as_ref());
            Ok(shown.indent(false).to_string())
        })
    }

    /// The plan of a query, and what it runs in.
    fn plan(
        &self,
        tables: Tables,
        now: i64,
        query: Statement,
        cancel: &CancelToken,
    ) -> Result<(Arc<dyn ExecutionPlan>, Arc<TaskContext>)> {
        let state = self.state(Some(tables), now);
        self.runtime.wait(cancel, async move {
            let statement = DfStatement::Statement(Box::new(query));
            let plan = state.statement_to_plan(statement).await.map_err(failure::of_datafusion)?;
            let plan = state.create_physical_plan(&plan).await.map_err(failure::of_datafusion)?;
            Ok((plan, state.task_ctx()))
        })
    }
}
