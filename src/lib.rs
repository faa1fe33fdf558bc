//! `evolve` takes a dataset and gives back an ONNX model, found by evolving neural architectures.
//!
//! The way a candidate takes; data flows one way, and nothing upstream knows what is downstream of it:
//!
//! ```text
//! dataset files ──> data: schema, task, split, fitted preprocessing
//!                              │
//! search: propose ──> genome ──> express: genome → training-step graph and inference graph
//!                              │
//!                     graph: shapes, gradients, spelling ──> onnx: ModelProto
//!                              │
//!                     engine: ONNX Runtime (CPU, CUDA) or tract
//!                              │
//!                     train: batches, schedule, early stop ──> score
//!                              │
//! study: journal ──> search: tell ──> … ──> export: best.onnx, verified ──> report
//! ```
//!
//! | module | owns | may use |
//! | --- | --- | --- |
//! | [`graph`] | typed tensor graph, operators with shape rule, gradient rule and spellings, differentiation | nothing of ours |
//! | [`onnx`] | graph ↔ ONNX `ModelProto` | `graph` |
//! | [`engine`] | loading and running models with bound state; finding ONNX Runtime; the CPU training kernels | `onnx` |
//! | [`data`] | sources, schema, task, split, fitted preprocessing that compiles to graph nodes | `graph` |
//! | [`genome`] | genes, search space, birth, mutation, crossover, morphisms, distance, canonical hash, named ancestors | nothing of ours |
//! | [`express`] | genome + task → training-step graph and inference graph | `genome`, `graph`, `data` (schema only) |
//! | [`train`] | running a training step over batches; metrics; weights | `engine`, `express`, `data` |
//! | [`search`] | population, selection, strategies behind ask and tell | `genome` |
//! | [`study`] | the run: evaluators, journal, weights store, resume | `search`, `train` |
//! | [`export`] | `best.onnx`, the models of a front, and their verification | `onnx`, `engine`, `study` |
//! | [`report`] | `report.json`, `report.html` | `study`, `search` (the model of the objective) |
//! | [`cli`] | arguments, one file for each subcommand | all |
//!
//! The last column names what a module builds on; types that come with it, such as graphs, genomes and tasks, it names as well.
//! Tests apart, nothing uses what is further down.
//!
//! Every operator that nets are built of has a standard spelling in `ai.onnx`. On the CPU, training and scoring are spelled in kernels of our own
//! where there are any ([`engine`]). An image is `[N, C, H, W]` in the graph and `[N, H, W, C]` between kernels: a value
//! keeps the order in which it was made until an operator wants the other one. Parameters have one layout everywhere; a
//! convolution lays out its weights anew in each call, which is little beside its work and spares every other part of the
//! program a second layout.
//!
//! What is spelled in kernels is fused before ([`graph::passes::fuse`]): convolutions take the statistics of their results,
//! normalise what they read, make all their gradients in one pass, and add what else comes to a value to the gradient that
//! they write. The operators that come of it have no standard spelling: the nodes that they stand for have, and whole nets
//! are compared in both spellings. Kernels of 3×3 take a quarter to four ninths of the products, by minimal filtering: output
//! and input gradient in tiles of 4×4 where these cover the image, with two to three times the rounding of direct sums, and
//! the gradient of the weights, which sums over all images, in tiles of 2×2. Large products of matrices
//! stay with ONNX Runtime, whose own are faster than what the tiles of the convolutions reach on them; small ones have a
//! kernel, hardly slower, so that nets of one shape can be trained together without another rounding.
//!
//! State has two sets that are used in turn, except where kernels write it and every reader of the old value comes before
//! ([`graph::spell`]): there one set is updated in place, and the gradient of a large linear layer goes into its optimizer
//! step without ever being in memory.
//!
//! On a CUDA device steps of small nodes ([`engine::Plan::launch_bound`]) are captured as CUDA graphs and replayed. Capturing
//! runs a step more than once, so there all written state has two sets; a replay brings nothing to the host, so what is
//! fetched is copied afterwards; and nobody else may allocate or wait on a device meanwhile, so whoever captures does it alone.
//!
//! The features of the training part are put on such a device once for all trainings of a study ([`train::ResidentPart`]),
//! where they take at most half of the memory that it has left; a step is then fed the numbers of its rows and begins by taking
//! these ([`graph::passes::resident`]), for all members of a population from the same tensors. Images that are augmented are
//! fed: they are altered on the host. On the CPU everything is fed.
//!
//! Kernels keep what they need from call to call, so that a step allocates nothing. What they write lies on huge pages where
//! the system has any, which a step that walks through tens of megabytes is a tenth to a third faster on.
//!
//! Nets of one shape can train as one graph with a leading axis of members ([`graph::passes::population`],
//! [`train::train_population`]): a kernel is called once and works on one member after the other, so that each member has
//! the bits that it has alone, and workers are free to join what waits for them without changing a study. Only nets whose
//! step is short are joined; a longer one gains nothing by it.
//!
//! Named ancestors ([`genome::ancestor`]) are published architectures as genomes, scaled by three genes and at home at any
//! input size. Their layers are described once; what they cost is counted from that, and what runs is built from it.
//!
//! Every limit of the space of nets is data ([`genome::SearchSpace`]): the preset of a domain, changed from Rust or by a
//! TOML file whose keys stand in one list with the comments that it is printed with. Whatever is made is drawn from the
//! choices and repaired into them, and choices that would leave some genome without a repair are refused beforehand. Which
//! genes lead to which ONNX operators is found by building each part of a net alone and spelling it
//! ([`express::permitted`]).
//!
//! Strategies know a search space only as [`search::Space`]: births, edits, crossing, distance, features, identity. Nets are
//! one such space, [`search::Parameters`] is another, so that the very code that searches nets can be judged on tables of
//! results. Strategies that keep a population are compositions of one engine: arms, survival, whether a model screens
//! drafts, when to start anew.
//!
//! What a strategy may foresee of nets before any is trained ([`search::Foresight`]) depends on the engine and the machine. So
//! a study keeps every score in its folder before the search acts on it ([`study::Proxies`]), as it does every evaluation.
//!
//! Beside the metric there may be further objectives ([`study::objective`]): what a net costs where it is deployed, measured
//! on the bytes that would be exported. The search knows them as a vector of costs and a violation of constraints; whatever
//! the strategy, its driver remembers the front. What is measured is part of a candidate's outcome, also where it is a time
//! and so depends on the machine, since it steers the search: such a study can be replayed, not repeated.
//!
//! Not every training has to go to its end ([`search::Fidelity`]). With successive halving the driver of a search gives each
//! proposal the scores that it has to reach at its rungs, from those that were told so far; the trainer pauses what is behind
//! and hands out a checkpoint ([`train::Checkpoint`]), and the driver may propose to go on with it, under a number of its own.
//! So an evaluation stays a message with one answer, and a replayed journal leads to the same pauses.
//!
//! A candidate may be several trainings ([`study::Trainings`]): folds of a cross-validation, executions from several seeds.
//! Its score is their mean, its weights are stored together under one hash, and what inherits them does so training by
//! training. A fold is a [`data::Dataset`] with preprocessing of its own, so whatever is exported comes with the one it was
//! trained with. After a cross-validation the choice is trained once more on all rows, after a validation part where the user
//! asks for it, of several nets that answer together each ([`study::Refit`]): it is a record of its own, and what is reported
//! stays what was scored.
//!
//! What is exported may be several nets whose mean answer is better than that of any alone ([`study::Ensemble`]). They are
//! chosen from those that have weights when the finals end, by what each says of the validation part; the mean is scored and
//! exported as a single net is, behind the same preprocessing. A study chooses them, since it alone has weights and knows what
//! they were scored on; [`train::ensemble`] asks, and [`export`] puts them into one graph.
//!
//! A training for which the device runs out of memory ([`engine::EngineError::OutOfMemory`]) is made once more with no other
//! beside it, so that their number decides nothing, then with half the batch, and fails where that does not fit either. The batch that it had stands with the clock in the journal
//! ([`study::Timing`]), since it depends on the machine; a checkpoint holds it, so that what was paused goes on with it.
//!
//! What a wall-clock budget decides is resolved when a study begins and stands in its `study.toml`: training lengths, the
//! second at which the search ends, the lag (fewer candidates under way where the budget allows few). Deadlines break off
//! what takes longer than foreseen, after its schedule has been shortened to end before them, so only a study that is
//! limited by candidates is the same twice. Finalists for tables
//! are trained at several lengths, since the search does not show how long a net may learn before it overfits.

#![warn(missing_docs)]

pub mod cli;
pub mod data;
pub mod engine;
pub mod export;
pub mod express;
pub mod genome;
pub mod graph;
pub mod onnx;
pub mod report;
pub mod search;
pub mod study;
pub mod train;

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
