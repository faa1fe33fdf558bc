use super::*;
use crate::genome::{
    Act, Ancestor, ConvMotif, Downsample, Genome, InputDomain, Net, Norm, Optimizer, TableMotif, crossover, distance,
    mutation,
    tests::{assert_valid, domains},
};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn space(domain: &Domain, text: &str) -> Result<SearchSpace, BadSpaceFile> {
    SearchSpace::from_file(domain, &text.parse()?)
}

/// Files with the domain (of [`domains`]) that each is for.
const FILES: [(usize, &str); 13] = [
    (
        0,
        "version = 1\nkind = 'table'\nmax_parameters = 9_000\n[table]\nactivations = ['gelu', 'silu']\nnorms = 'layer'\n[table.block]\nmotifs = ['residual', 'gated']\nwidths = [12, 20]\n[table.block.gated]\nwidths = 8\ndropout = [0.05, 0.25]\n[training.sgd]\nlearning_rate = 0.07",
    ),
    (
        0,
        "version = 1\nkind = 'table'\n[table]\nblocks = { low = 3, high = 4 }\n[table.numbers]\nencodings = 'periodic'\nfrequencies = [3, 5]\nsigma = { low = 0.2, high = 0.4 }\noutputs = 3\n[table.categories]\nencodings = 'embedding'\nlengths = { low = 3, high = 9, step = 3 }\n[training]\noptimizers = 'adam'\nweight_decay = [0.0, 0.5]\nbeta2 = 0.97",
    ),
    (
        1,
        "version = 1\nkind = 'table'\n[training]\nlosses = 'huber'\noptimizers = ['sgd', 'adam']\nlearning_rate = { low = 0.3, high = 0.4, log = false }\nmomentum = [0.1, 0.7]\nlengths = { low = 0.3, high = 0.6 }\nbatches = [10, 40]\n[table]\nblocks = 1\n[table.block]\nmotifs = 'gated'",
    ),
    (
        2,
        "version = 1\nkind = 'table'\n[table]\nactivations = 'tanh'\n[table.categories]\nencodings = 'one_hot'\n[training]\nschedules = 'constant'\ninitialisations = ['lecun_normal']\nlabel_smoothing = 0.25\nweight_decay = 0",
    ),
    (
        5,
        "version = 1\nkind = 'image'\n[image]\nstages = { low = 2, high = 2 }\n[image.stage]\ndowns = ['max_pool', 'stride']\nwidths = [10, 14]\nblocks = 2\n[image.stem]\nwidths = 6\nkernels = 1\n[image.block]\nmotifs = ['dense', 'inception', 'residual']\nquarters = [3, 8]\nbranches = [1, 3]\nskips = true",
    ),
    (
        6,
        "version = 1\nkind = 'image'\n[image]\nactivations = 'elu'\nnorms = ['none', 'batch']\n[image.stage]\ndowns = ['stride']\n[image.block]\nkernels = [3, 5]\ndilations = 2\ngroups = [2, 4]\nmotifs = ['bottleneck', 'conv_norm_act', 'inception']\n[image.block.bottleneck]\nkernels = 3\ngroups = 8\nquarters = [4, 8]\n[image.head]\npools = 'max'\nhidden = [40, 50]\ndropout = 0.33",
    ),
    (
        6,
        "version = 1\nkind = 'image'\n[image]\nstages = 5\n[image.block]\nkernels = 7\nmotifs = ['conv_act', 'conv_depthwise']\n[augmentation]\nflips = true\nshift = { low = 2 }\ncutout = 5",
    ),
    (
        7,
        "version = 1\nkind = 'image'\n[image.stem]\nstrides = 2\nkernels = { low = 5, high = 9, step = 2 }\n[image]\nstages = { low = 3, high = 4 }\n[image.stage]\ndowns = 'average_pool'\nwidths = { low = 10, high = 100, log = true }\n[training]\noptimizers = 'adam_w'\nlabel_smoothing = [0.0, 0.2]\nlengths = [0.5, 1.0]\n[image.ancestors]\nwidths = [3, 4]\ndepths = [4, 11]\nresolutions = [8, 12]\ndropout = 0.1",
    ),
    (
        8,
        "version = 1\nkind = 'image'\n[image.block]\nmotifs = 'conv_norm_act'\nskips = false\n[image.stage]\nblocks = { low = 3, high = 9 }\n[training]\nlosses = ['huber', 'mse']\nbatches = { low = 32, high = 96, step = 32 }",
    ),
    (
        9,
        "version = 1\nkind = 'image'\nmax_macs = 40_000\n[image.stage]\ndowns = 'none'\nwidths = [1, 2, 3]\n[training]\nmomentum = 0.5\noptimizers = ['sgd']\nweight_decay = { low = 0.001, high = 0.01, log = true }",
    ),
    (
        3,
        "version = 1\nkind = 'table'\n[table.numbers]\nencodings = ['piecewise', 'plain']\nbins = [7, 20]\n[table.block]\ndropout = { low = 0.25 }",
    ),
    (4, "version = 1\nkind = 'table'\n[table]\nblocks = [1, 2]\n[training]\nbatches = [1, 3, 20]"),
    (
        6,
        "version = 1\nkind = 'image'\n[image]\nactivations = 'relu'\nnorms = 'batch'\nstages = 1\n[image.stage]\nwidths = 16\nblocks = 1\ndowns = 'none'\n[image.stem]\nwidths = 16\nkernels = 3\n[image.block]\nmotifs = 'conv_norm_act'\nkernels = 3\ndilations = 1\ngroups = 1\nskips = false\n[image.head]\npools = 'average'\nhidden = 0\ndropout = 0\n[training]\noptimizers = 'adam_w'\nlearning_rate = 0.01\nweight_decay = 0.1\nbeta2 = 0.99\nschedules = 'cosine'\nbatches = 64\ninitialisations = 'he_normal'\nlabel_smoothing = 0\n[augmentation]\nflips = false\nshift = 0\ncutout = 0",
    ),
];

fn chosen() -> impl Iterator<Item = SearchSpace> {
    FILES.iter().map(|(domain, text)| {
        let space = space(&domains()[*domain], text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let large = matches!(space.domain.input, InputDomain::Image { height: 64, .. });
        let ancestors: Vec<Ancestor> =
            Ancestor::all().filter(|ancestor| large && ["vgg16", "mobilenet_v2"].contains(&ancestor.entry().name)).collect();
        space.with_ancestors(&ancestors).unwrap()
    })
}

#[test]
fn the_file_of_a_space_is_the_space() {
    for domain in domains() {
        let preset = SearchSpace::preset(&domain);
        assert_eq!(space(&domain, &preset.to_toml()).unwrap(), preset, "{}", preset.to_toml());
        assert_eq!(SearchSpace::from_file(&domain, &SpaceFile::of(&preset)).unwrap(), preset);
    }
    for chosen in chosen() {
        let text = chosen.to_toml();
        let read = space(&chosen.domain, &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(SearchSpace { ancestors: chosen.ancestors.clone(), ..read }, chosen, "{text}");
        // study.toml holds it as a table among others.
        let written = toml::to_string_pretty(&SpaceFile::of(&chosen)).unwrap();
        assert_eq!(toml::from_str::<SpaceFile>(&written).unwrap(), SpaceFile::of(&chosen));
    }
}

#[test]
fn a_file_that_chooses_nothing_is_the_preset() {
    for domain in domains() {
        let preset = SearchSpace::preset(&domain);
        let text = format!("version = 1\nkind = {:?}", preset.kind());
        assert_eq!(space(&domain, &text).unwrap(), preset);
    }
}

/// Thousands of births, edits and crossings over all files; each genome is judged by the space, and must be what repair
/// leaves alone.
#[test]
fn everything_that_is_made_lies_in_the_space() {
    for (number, space) in chosen().enumerate() {
        let mut rng = ChaCha8Rng::seed_from_u64(number as u64);
        let mut pool = space.seeds();
        assert!(!pool.is_empty());
        for round in 0..400 {
            let born = space.birth(&mut rng);
            assert_valid(&space, &born, &format!("birth in file {number}"));
            pool.push(born);
            for _ in 0..6 {
                let parent = pool[rng.random_range(0..pool.len())].clone();
                let mutation = mutation::ALL[rng.random_range(0..mutation::ALL.len())];
                if let Some(edit) = (mutation.apply)(&space, &parent, &mut rng) {
                    assert_valid(&space, &edit.genome, &format!("{} in file {number}", edit.words));
                    assert!(edit.genome.hash() != parent.hash() && distance(&edit.genome, &parent) > 0.0, "{}", edit.words);
                    pool.push(edit.genome);
                }
                let mate = pool[rng.random_range(0..pool.len())].clone();
                let crossover = crossover::ALL[rng.random_range(0..crossover::ALL.len())];
                if let Some(edit) = (crossover.apply)(&space, &parent, &mate, &mut rng) {
                    assert_valid(&space, &edit.genome, &format!("{} in file {number}", edit.words));
                    pool.push(edit.genome);
                }
            }
            if round % 20 == 0 {
                pool.retain(|_| rng.random_bool(0.2));
                pool.extend(space.seeds());
            }
        }
    }
}

/// What files say, judged without the code that keeps it.
#[test]
fn files_mean_what_they_say() {
    let chosen: Vec<SearchSpace> = chosen().collect();
    let made = |number: usize| {
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        let space = &chosen[number];
        let mut genomes = space.seeds();
        genomes.extend((0..200).map(|_| space.birth(&mut rng)));
        for index in 0..200 {
            let parent = genomes[genomes.len() - 1 - index % 50].clone();
            let edits = mutation::ALL.iter().filter_map(|mutation| (mutation.apply)(space, &parent, &mut rng));
            genomes.extend(edits.take(4).map(|edit| edit.genome).collect::<Vec<Genome>>());
        }
        genomes
    };
    for genome in made(0) {
        let Net::Table(net) = &genome.net else { panic!("a net for tables") };
        assert_eq!(net.norm, Norm::Layer);
        let gated = |motif| motif == TableMotif::Gated;
        assert!(net.blocks.iter().all(|block| gated(block.motif)) || [Act::Gelu, Act::Silu].contains(&net.activation));
        for block in &net.blocks {
            let widths: &[usize] = if gated(block.motif) { &[8] } else { &[12, 20] };
            assert!(block.motif != TableMotif::Linear && widths.contains(&block.width));
            assert!(!gated(block.motif) || [0.05, 0.25].contains(&block.dropout));
        }
        assert!(!matches!(genome.training.optimizer, Optimizer::Sgd { .. }) || genome.training.learning_rate == 0.07);
        assert!(crate::genome::parameters(&genome, &chosen[0].domain) <= 9_000);
    }
    for genome in made(5) {
        let Net::Image(net) = &genome.net else { panic!("a net for images") };
        assert!(net.activation == Act::Elu && net.norm != Norm::Layer && [40, 50].contains(&net.head.hidden));
        assert_eq!(net.head.dropout, 0.33);
        for stage in &net.stages {
            // A stride before an inception would be a pool.
            assert!(stage.down == Downsample::Stride && stage.blocks[0].motif != ConvMotif::Inception);
            for block in stage.blocks.iter().filter(|block| block.motif == ConvMotif::Bottleneck) {
                assert_eq!((block.kernel, block.dilation, block.groups), (3, 2, 8));
            }
        }
    }
    let genome = |genome: &Genome| genome.clone();
    let one = made(12);
    assert!(one.iter().all(|other| genome(other) == one[0]), "everything is pinned");
}

#[test]
fn bad_files_are_refused_with_their_key() {
    let cases = [
        (0, "kind = 'table'", "version: is missing; this evolve reads version = 1"),
        (0, "version = 2\nkind = 'table'", "version: 2 is of a newer evolve; this evolve reads version = 1"),
        (0, "version = 0\nkind = 'table'", "version: 0 is no version that there was; this evolve reads version = 1"),
        (0, "version = 1", "kind: is missing; write kind = \"table\""),
        (0, "version = 1\nkind = 'series'", "kind: \"series\" is neither \"table\" nor \"image\""),
        (0, "version = 1\nkind = 'image'", "kind: this is a space of nets for images, and the data is a table"),
        (6, "version = 1\nkind = 'table'", "kind: this is a space of nets for tables, and the data is images"),
        (0, "T\nmax_paramters = 3", "max_paramters: there is no such key; near names: max_parameters, max_macs"),
        (0, "T\n[tabel]\nblocks = 3", "tabel: there is no such key; near names: table"),
        (0, "T\n[table.blok]\nwidths = 3", "table.blok: there is no such key; near names: block, blocks"),
        (0, "T\n[table.block]\nwidht = 3", "table.block.widht: there is no such key; near names: widths"),
        (0, "T\n[training.adamw]\nmomentum = 0.9", "training.adamw: there is no such key; near names: adam_w, adam"),
        (
            0,
            "T\n[training.sgd]\nmomentum = 0.9",
            "training.sgd.momentum: there is no such key; known are learning_rate, weight_decay",
        ),
        (
            0,
            "T\n[table]\nactivations = ['relu', 'gleu']",
            "table.activations: there is no activation \"gleu\"; near names: gelu",
        ),
        (
            6,
            "I\n[image.block]\nmotifs = 'bottlneck'",
            "image.block.motifs: there is no motif of nets for images \"bottlneck\"; near names: bottleneck",
        ),
        (0, "T\n[image]\nstages = 3", "image.stages: means nothing here: it is for images, and the data is a table"),
        (0, "T\n[training]\nlosses = 'mse'", "training.losses: means nothing here: a classification has no choice of it"),
        (1, "T\n[training]\nlabel_smoothing = 0.1", "training.label_smoothing: means nothing here: a regression has none"),
        (2, "T\n[table.numbers]\nbins = 4", "table.numbers.bins: means nothing here: no numeric column has several values"),
        (
            4,
            "T\n[table.numbers]\nencodings = 'piecewise'",
            "table.numbers.encodings: piecewise needs bins, and no column has any",
        ),
        (0, "T\n[table]\nnorms = []", "table.norms: there is nothing to choose from"),
        (0, "T\n[table.block]\nwidths = { low = 2000 }", "table.block.widths: there is nothing to choose from"),
        (0, "T\n[table.block]\nwidths = 'wide'", "table.block.widths: \"wide\" is not a whole number of at least 0"),
        (0, "T\n[table]\nblocks = { low = 9 }", "table.blocks: 9 to 8 has no number in it"),
        (0, "T\n[table]\nblocks = 0", "table.blocks: 0 is not within 1 to 64"),
        (
            0,
            "T\n[training]\nlearning_rate = { low = 0.1, high = 0.01 }",
            "training.learning_rate: 0.1 to 0.01 has no number in it",
        ),
        (
            0,
            "T\n[training]\nweight_decay = { low = 0, high = 0.01, log = true }",
            "training.weight_decay: 0 to 0.01 has no logarithm at its low end",
        ),
        (0, "T\n[training]\nbatches = 40_000", "training.batches: 40000 is not within 1 to 30000"),
        (
            0,
            "T\n[training]\noptimizers = 'adam'\n[training.sgd]\nlearning_rate = 0.1",
            "training.sgd.learning_rate: sgd is not chosen, or has no such gene",
        ),
        (0, "T\nmax_parameters = 100", "max_parameters: 100 is kept by no net; the smallest of the space has 1250"),
        (0, "T\ntraining = 3", "training: 3 is no section with keys"),
        (6, "I\n[image.block]\nkernels = [3, 4]", "image.block.kernels: 4 is even; a kernel has a centre"),
        (5, "I\n[image.block]\nkernels = 9", "image.block.kernels: 9 is not within 1 to 8"),
        (
            5,
            "I\n[image.block.residual]\ngroups = 2",
            "image.block.residual.groups: residual is not chosen, or has no such gene",
        ),
        (5, "I\n[image.block]\nkernels = 7\ndilations = 3", "image.block.kernels: each reads only padding on images of 8×8"),
        (5, "I\n[image.block]\nbranches = 9", "image.block.inception.branches: 9 is not within 1 to 4"),
        (
            6,
            "I\n[image.block]\ngroups = 16",
            "image.block.groups: 16 does not divide 8 channels of a conv_norm_act block; allow 1",
        ),
        (
            6,
            "I\n[image.block]\nmotifs = ['dense', 'inception']\n[image.stage]\ndowns = 'stride'",
            "image.stage.downs: stride is nothing that any of image.block.motifs does",
        ),
        (
            5,
            "I\n[image]\nstages = 3\n[image.stage]\ndowns = ['max_pool']",
            "image.stages: 3 stages at least halve the resolution, and images of 8×8 can be halved 2 times; add none to image.stage.downs, or allow fewer stages",
        ),
        (9, "I\n[image.stem]\nstrides = 2", "image.stem.strides: 2 is too much for images of 3×2"),
        (5, "I\n[image.stem]\nstrides = 3", "image.stem.strides: 3 is not within 1 to 2"),
    ];
    for (domain, text, expected) in cases {
        let text = text.replace("T\n", "version = 1\nkind = 'table'\n").replace("I\n", "version = 1\nkind = 'image'\n");
        let error = space(&domains()[domain], &text).expect_err(&text).to_string();
        assert_eq!(error, expected, "{text}");
    }
    assert!(space(&domains()[0], "version = ").unwrap_err().to_string().starts_with("this is no TOML: "));
}

#[test]
fn ancestors_outside_of_a_space_are_refused() {
    let input = InputDomain::Image { height: 80, width: 80, channels: 3 };
    let domain = Domain { input, outputs: 4, classification: true, rows: 1_000 };
    let refused = |choice: &str, name: &str| {
        let space = space(&domain, &format!("version = 1\nkind = 'image'\n{choice}")).unwrap();
        space.with_ancestors(&[crate::genome::ancestor::find(name).unwrap()]).map(|space| space.seeds())
    };
    for (choice, name, expected) in [
        (
            "[image]\nnorms = 'batch'",
            "vgg16",
            "vgg16 lies outside of the space: its normalisation is none, which image.norms does not allow",
        ),
        (
            "[image]\nactivations = 'gelu'",
            "resnet50",
            "resnet50 lies outside of the space: its layer stem.norm has relu, which image.activations does not allow",
        ),
        (
            "[image.block]\nkernels = 3\n[image.stem]\nkernels = 3",
            "mobilenet_v2",
            "mobilenet_v2 lies outside of the space: its layer",
        ),
        (
            "[image.ancestors]\nresolutions = 1",
            "vgg16",
            "vgg16 lies outside of the space: the images are too small for image.ancestors.resolutions",
        ),
    ] {
        let error = refused(choice, name).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let seeds = refused("[image]\nactivations = 'relu'\n[image.ancestors]\nwidths = 4", "resnet50").unwrap();
    assert!(matches!(seeds[1].net, Net::Ancestor(net) if net.width == 4));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Any choice of sizes is refused, or makes a space whose births are valid.
    #[test]
    fn any_sizes_make_a_space_or_an_error(
        which in 5usize..10,
        kernels in prop::collection::vec(0usize..8, 1..3),
        groups in prop::collection::vec(1usize..5, 1..3),
        widths in prop::collection::vec(1usize..40, 1..4),
        stages in (0usize..5, 0usize..4),
        dilation in 1usize..4,
        downs in prop::sample::subsequence(vec!["none", "max_pool", "average_pool", "stride"], 1..4),
        motifs in prop::sample::subsequence(vec!["conv_norm_act", "conv_act", "residual", "bottleneck", "inception", "dense"], 1..5),
        seed: u64,
    ) {
        let text = format!(
            "version = 1\nkind = 'image'\n[image]\nstages = {{ low = {}, high = {} }}\n[image.stage]\nwidths = {widths:?}\n\
             downs = {downs:?}\n[image.block]\nkernels = {kernels:?}\ngroups = {groups:?}\ndilations = {dilation}\n\
             motifs = {motifs:?}\n[image.stem]\nwidths = {widths:?}",
            stages.0, stages.0 + stages.1,
        );
        if let Ok(space) = space(&domains()[which], &text) {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            for _ in 0..20 {
                let genome = space.birth(&mut rng);
                prop_assert_eq!(space.contains(&genome), Ok(()), "{}\n{}", text, genome.json());
                for mutation in mutation::ALL {
                    if let Some(edit) = (mutation.apply)(&space, &genome, &mut rng) {
                        prop_assert_eq!(space.contains(&edit.genome), Ok(()), "{}\n{}", text, edit.genome.json());
                    }
                }
            }
        }
    }
}
