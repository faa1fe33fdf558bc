"""Runs an exported model on raw data in Python: engines.py run MODEL DATA OUT.json, or engines.py compare MODEL DATA
FOLDER, which also runs the reference evaluator and the checker and compares everything with everything."""
import csv, gzip, json, pathlib, sys

import numpy as np
import onnxruntime

TOLERANCE = 1e-4
ROWS = 64  # that the slow reference evaluator is given


def pixels(data):
    """Images of an NPZ file or of a folder with IDX files."""
    path = pathlib.Path(data)
    if path.is_dir():
        file = next(path.glob("train-images-idx3-ubyte*"))
        raw = (gzip.open(file) if file.suffix == ".gz" else open(file, "rb")).read()
        n, h, w = np.frombuffer(raw, ">i4", 3, 4)
        return np.frombuffer(raw, np.uint8, offset=16).reshape(n, h, w)
    return np.load(path)["x_train"]


def feed(session, data):
    inputs = session.get_inputs()
    if str(data).endswith(".csv"):
        rows = list(csv.DictReader(open(data, newline="")))
        result = {}
        for i in inputs:
            cells = [r[i.name] for r in rows]
            if "string" in i.type:
                result[i.name] = np.array(cells, dtype=object).reshape(-1, 1)
            else:
                result[i.name] = np.array([number(c) for c in cells], np.float32).reshape(-1, 1)
        return result
    x = pixels(data)
    shape = [len(x)] + [d if isinstance(d, int) else -1 for d in inputs[0].shape[1:]]
    kind = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32}[inputs[0].type]
    return {inputs[0].name: x.astype(kind).reshape(shape)}


def number(cell):
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def answers(names, values):
    out = dict(zip(names, values))
    return np.asarray(out["probabilities"] if "probabilities" in out else out["prediction"], np.float64)


def run(model, data):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return answers(names, session.run(None, feed(session, data)))


def program(path):
    rows = list(csv.DictReader(open(path, newline="")))
    keys = [k for k in rows[0] if k.startswith("p_")] or ["prediction"]
    values = np.array([[float(r[k]) for k in keys] for r in rows])
    return values if keys[0].startswith("p_") else values[:, 0]


def compare(model, data, folder):
    import onnx
    from onnx.reference import ReferenceEvaluator

    proto = onnx.load(model)
    onnx.checker.check_model(proto, full_check=True)
    newest = run(model, data)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    head = {k: v[:ROWS] for k, v in feed(session, data).items()}
    reference = ReferenceEvaluator(proto)
    others = {
        "1.17": np.array(json.load(open(f"{folder}/old.json"))),
        "program, ONNX Runtime": program(f"{folder}/onnxruntime.csv"),
        "program, tract": program(f"{folder}/tract.csv"),
        "reference evaluator": answers(reference.output_names, reference.run(None, head)),
    }
    # Values are compared relative to their spread, probabilities as they are.
    scale = 1.0 if newest.ndim == 2 else newest.std()
    worst = 0.0
    for name, other in others.items():
        gap = float(np.abs(other - newest[: len(other)]).max() / scale)
        worst = max(worst, gap)
        print(f"{folder.rsplit('/', 1)[-1]}: {name}: {len(other)} rows, largest difference {gap:.1e}")
        if not gap < TOLERANCE:
            sys.exit(f"{name} differs from ONNX Runtime {onnxruntime.__version__}")


if __name__ == "__main__":
    what, model, data, target = sys.argv[1:5]
    if what == "run":
        json.dump(run(model, data).tolist(), open(target, "w"))
    else:
        compare(model, data, target)
