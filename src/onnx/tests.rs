use super::{OnnxError, read, write};
use crate::graph::ops::elementwise::{Binary, BinaryKind};
use crate::graph::ops::linear::Linear;
use crate::graph::{DType, Dim, Graph, Shape, Target, Tensor, TensorType, spell};
use onnx_protobuf::{Message, ModelProto};

/// `y = (x·w + b) + 1` for a symbolic batch.
fn model() -> Vec<u8> {
    let mut g = Graph::new();
    let x = g.input("x", TensorType::new(DType::F32, Shape::batched(Dim::Batch, &[2])));
    let w = g.constant(Tensor::f32(&[2, 3], vec![1.0; 6]));
    let b = g.constant(Tensor::f32(&[3], vec![2.0; 3]));
    let h = g.apply(Linear, &[x, w, b]).unwrap();
    let one = g.scalar(DType::F32, 1.0);
    let y = g.apply(Binary(BinaryKind::Add), &[h, one]).unwrap();
    g.output("y", y);
    write(&spell(&g, Target::Portable).unwrap(), &vec![("evolve.task".into(), "regression".into())]).unwrap()
}

fn changed(change: impl FnOnce(&mut ModelProto)) -> Result<super::Summary, OnnxError> {
    let mut proto = ModelProto::parse_from_bytes(&model()).unwrap();
    change(&mut proto);
    read(&proto.write_to_bytes().unwrap())
}

fn problems(change: impl FnOnce(&mut ModelProto)) -> Vec<String> {
    match changed(change) {
        Err(OnnxError::Invalid { problems }) => problems,
        other => panic!("problems wanted, {other:?} given"),
    }
}

#[test]
fn a_written_model_reads_back() {
    let summary = read(&model()).unwrap();
    assert_eq!(
        (summary.producer.as_str(), summary.opset(), summary.ir_version),
        ("evolve", super::OPSET, super::IR_VERSION)
    );
    assert_eq!(summary.metadata("evolve.task"), Some("regression"));
    assert_eq!(summary.metadata("evolve.schema"), None);
    assert_eq!(summary.inputs.len(), 1);
    assert_eq!(summary.inputs[0].shape, [None, Some(2)]);
    assert_eq!(summary.outputs[0].shape, [None, Some(3)]);
    let kinds: Vec<&str> = summary.nodes.iter().map(|n| n.op_type.as_str()).collect();
    assert_eq!(kinds, ["Gemm", "Add"]);
    assert_eq!(summary.nodes[1].output_shapes, [Some(vec![None, Some(3)])]);
    let elements: Vec<usize> = summary.initializers.iter().map(|i| i.elements).collect();
    assert_eq!(elements, [6, 3, 1]);
}

#[test]
fn bytes_that_are_no_model_are_broken() {
    let whole = model();
    for bytes in [&b"not a model"[..], b"", &[0xff; 64], &whole[..whole.len() / 2]] {
        assert!(matches!(read(bytes), Err(OnnxError::Broken { .. })), "{bytes:?}");
    }
}

#[test]
fn each_fault_is_named_and_all_are_reported_at_once() {
    let unmade = problems(|m| m.graph.mut_or_insert_default().node[0].input[0] = "nowhere".into());
    assert!(unmade.len() == 1 && unmade[0].contains("nowhere"), "{unmade:?}");
    let swapped = problems(|m| m.graph.mut_or_insert_default().node.swap(0, 1));
    assert!(swapped[0].contains("not made before"), "{swapped:?}");
    let domain = problems(|m| m.graph.mut_or_insert_default().node[0].domain = "com.example".into());
    assert!(domain[0].contains("com.example"), "{domain:?}");
    let unimported = problems(|m| m.graph.mut_or_insert_default().node[0].domain = "ai.onnx.ml".into());
    assert!(unimported[0].contains("not imported"), "{unimported:?}");
    let opset = problems(|m| m.opset_import[0].version = 3);
    assert!(opset[0].contains("older"), "{opset:?}");
    let short = problems(|m| m.graph.mut_or_insert_default().initializer[0].raw_data.truncate(7));
    assert!(short[0].contains("6 elements"), "{short:?}");
    let negative = problems(|m| m.graph.mut_or_insert_default().initializer[0].dims[0] = -1);
    assert!(negative[0].contains("impossible"), "{negative:?}");
    let two = problems(|m| {
        m.opset_import.clear();
        let graph = m.graph.mut_or_insert_default();
        graph.node[1].name = graph.node[0].name.clone();
        graph.output[0].name = "other".into();
    });
    assert!(two.len() >= 3, "{two:?}");
}

#[test]
fn half_precision_inputs_are_refused_by_name() {
    let refused = problems(|m| {
        let input = &mut m.graph.mut_or_insert_default().input[0];
        let mut tensor = input.type_.tensor_type().clone();
        tensor.elem_type = 10;
        input.type_.mut_or_insert_default().set_tensor_type(tensor);
    });
    assert!(refused[0].contains("float16"), "{refused:?}");
}
