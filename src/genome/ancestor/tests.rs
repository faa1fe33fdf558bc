//! Counts against the published ones, and laws over the list.

use super::*;
use std::collections::BTreeSet;

fn square(side: usize) -> Size {
    Size { height: side, width: side }
}

fn published(name: &str) -> Architecture {
    let ancestor = find(name).unwrap();
    AncestorNet::published(ancestor).architecture(square(ancestor.entry().side), 3, 1000).unwrap()
}

/// Total and trainable parameters as the summaries of Keras give them, with the top and 1000 classes.
#[test]
fn parameters_are_as_published() {
    let counts = [
        ("vgg16", 138_357_544, 138_357_544),
        ("vgg19", 143_667_240, 143_667_240),
        ("resnet50", 25_636_712, 25_583_592),
        ("inception_v3", 23_851_784, 23_817_352),
        ("densenet121", 8_062_504, 7_978_856),
        ("mobilenet_v2", 3_538_984, 3_504_872),
        ("efficientnet_b0", 5_330_571, 5_288_548),
    ];
    assert_eq!(counts.map(|(name, ..)| name)[..], ALL.iter().map(|entry| entry.name).collect::<Vec<_>>()[..]);
    for (name, total, trainable) in counts {
        let architecture = published(name);
        assert_eq!((architecture.parameters(), architecture.trainable()), (total, trainable), "{name}");
    }
}

/// Multiply-accumulates in millions, from the papers (ResNet: that of He et al. counts 3.8 for a stride in the 1×1).
#[test]
fn macs_are_near_the_published_ones() {
    for (name, millions) in
        [("vgg16", 15_470), ("vgg19", 19_630), ("resnet50", 3_860), ("densenet121", 2_850), ("mobilenet_v2", 300)]
    {
        let macs = published(name).macs() / 1_000_000;
        assert!(macs.abs_diff(millions) * 100 <= 2 * millions, "{name}: {macs} million");
    }
}

#[test]
fn channels_are_rounded_as_published() {
    for (published, width, rounded) in [(32, 8, 32), (24, 4, 16), (16, 6, 16), (32, 5, 24), (8, 1, 8), (40, 9, 48)] {
        assert_eq!(rounded_channels(published, width), rounded, "{published} at {width}/8");
    }
    let half = AncestorNet { width: 4, ..AncestorNet::published(find("mobilenet_v2").unwrap()) };
    // The total of MobileNetV2 at α = 0.5 in Keras.
    assert_eq!(half.architecture(square(224), 3, 1000).unwrap().parameters(), 1_987_224);
}

#[test]
fn names_are_unique_and_round_trip() {
    let names: BTreeSet<&str> = ALL.iter().map(|entry| entry.name).collect();
    assert_eq!(names.len(), ALL.len());
    for ancestor in Ancestor::all() {
        assert!(ancestor.entry().doc.len() > 20 && !ancestor.entry().doc.ends_with('.'));
        assert_eq!(find(ancestor.entry().name), Ok(ancestor));
        let net = AncestorNet { width: 5, ..AncestorNet::published(ancestor) };
        let text = serde_json::to_string(&net).unwrap();
        assert!(text.starts_with(&format!("{{\"name\":\"{ancestor}\",\"width\":5,\"depth\":8,\"resolution\":8")), "{text}");
        assert_eq!(serde_json::from_str::<AncestorNet>(&text).unwrap(), net);
    }
}

#[test]
fn unknown_names_are_told_near_ones() {
    let message = find("vgg61").unwrap_err().to_string();
    assert!(message.starts_with("there is no ancestor \"vgg61\"; near names: vgg16"), "{message}");
    assert!(
        find("zzz")
            .unwrap_err()
            .to_string()
            .ends_with("the ancestors are vgg16, vgg19, resnet50, inception_v3, densenet121, mobilenet_v2, efficientnet_b0")
    );
}

#[test]
fn layers_are_named_once_and_read_what_is_before_them() {
    for ancestor in Ancestor::all() {
        let layers = published(ancestor.entry().name).layers;
        let names: BTreeSet<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
        assert_eq!(names.len(), layers.len(), "{ancestor}");
        for (index, layer) in layers.iter().enumerate() {
            assert!(layer.inputs.iter().all(|&input| input < index), "{}", layer.name);
        }
    }
}

#[test]
fn images_that_are_too_small_are_refused_with_the_least_side() {
    for (name, least) in [("vgg16", 32), ("resnet50", 17), ("inception_v3", 75), ("densenet121", 29), ("mobilenet_v2", 17)] {
        let net = AncestorNet::published(find(name).unwrap());
        assert!(net.architecture(square(least), 3, 10).is_ok(), "{name}");
        let message = net.architecture(square(least - 1), 3, 10).unwrap_err().to_string();
        assert!(message.starts_with(&format!("{name} does not fit images of {0}×{0}: its layer ", least - 1)), "{message}");
        assert!(message.ends_with(&format!("; it needs {least}×{least} at least")), "{message}");
    }
}

#[test]
fn scales_change_what_they_name() {
    for ancestor in Ancestor::all() {
        let plain = AncestorNet::published(ancestor);
        let at = |net: AncestorNet| net.architecture(square(128), 3, 10).unwrap();
        let base = at(plain);
        assert!(at(AncestorNet { width: 4, ..plain }).parameters() < base.parameters(), "{ancestor}");
        assert!(at(AncestorNet { depth: 12, ..plain }).layers.len() > base.layers.len(), "{ancestor}");
        let finer = at(AncestorNet { resolution: 12, ..plain });
        assert!(finer.macs() > base.macs() && finer.layers.len() == base.layers.len() + 1, "{ancestor}");
        assert_eq!(finer.layers[1].output.size, square(192));
    }
}

#[test]
fn depths_that_give_the_same_blocks_are_one() {
    let net = AncestorNet::published(find("vgg16").unwrap());
    // Two and three convolutions at 8/8 are three and four from 9/8 to 10/8.
    assert_eq!([7, 8, 9, 10].map(|depth| AncestorNet { depth, ..net }.plain_depth()), [8, 8, 9, 9]);
    assert_eq!(AncestorNet { depth: usize::MAX, ..net }.plain_depth(), usize::MAX);
}
