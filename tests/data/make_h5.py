#!/usr/bin/env python3
"""Make the HDF5 files of this folder (needs h5py and numpy).

types.h5   one dataset of each kind that a tensor file may hold, and some that it may not
loop.h5    a group that contains itself
rows.h5    eight rows with label, complexity, tenant and tier
"""
import h5py
import numpy as np


def types():
    with h5py.File("types.h5", "w") as f:
        ramp = np.arange(12).reshape(3, 4)
        f["f32"] = ramp.astype("<f4")
        f["f64"] = ramp.astype("<f8")
        f["i32"] = ramp.astype("<i4")
        f["i64"] = ramp.astype("<i8")
        for name, dtype in (("f16", "<f2"), ("f32_be", ">f4"), ("i8", "i1"), ("u8", "u1"),
                            ("i16", "<i2"), ("u16", "<u2"), ("i64_be", ">i8"), ("bool", "?")):
            f[name] = ramp.astype(dtype)
        f["u32"] = (ramp + 4294967284).astype("<u4")
        f.create_dataset("f32_gz", data=ramp.astype("<f4"), chunks=(2, 2), compression="gzip",
                         shuffle=True)
        f.create_dataset("f32_unwritten", (3, 4), "<f4", fillvalue=2.5)
        f["scalar"] = np.float64(1.5)
        f["none"] = np.zeros((0, 4), "<f4")
        f["group/deep/f32"] = np.float32([1, 2])
        f["names"] = np.array(["acme", "", "größer"], dtype=h5py.string_dtype())
        f["names_fixed"] = np.array([b"acme", b"", b"exactly8"], dtype="S8")
        f["soft"] = h5py.SoftLink("/f32")
        f["elsewhere"] = h5py.ExternalLink("other.h5", "/x")
        # These are refused, each with its reason.
        f["u64"] = ramp.astype("<u8")
        f["f128"] = ramp.astype(np.longdouble)
        f["five_dims"] = np.zeros((1, 1, 1, 1, 1), "<f4")
        f["pair"] = np.zeros(2, dtype=[("a", "<f4"), ("b", "<i4")])
        f["null"] = h5py.Empty("<f4")
        f["names_2d"] = np.array([[b"a", b"b"]], dtype="S1")
        f.create_dataset("bomb", (1 << 20, 1 << 20), "<f4", chunks=(64, 64))
        f.create_dataset("outside", (4,), "<f4", external=[("other.raw", 0, 16)])
        f.attrs["text"] = "größer"
        f.attrs["fixed"] = np.bytes_("abc")
        f.attrs["number"] = 0.1
        f.attrs["whole"] = np.int64(-9007199254740993)
        f.attrs["layers"] = np.int32([64, 32, 10])


def loop():
    with h5py.File("loop.h5", "w") as f:
        group = f.create_group("a")
        group["again"] = group


def rows():
    with h5py.File("rows.h5", "w") as f:
        f["x"] = np.arange(24).reshape(8, 3) / 4
        f["nan"] = np.where(np.arange(24) == 16, np.nan, 1).reshape(8, 3).astype("<f4")
        f["huge"] = np.full((8, 1), 1e300)
        f["flat"] = np.arange(8).astype("<f4")
        f["short"] = np.ones((7, 3), "<f4")
        f["label"] = np.arange(8) % 4
        f["complexity"] = np.arange(8) / 8
        f["tenant"] = np.array(["acme", "globex"] * 4, dtype=h5py.string_dtype())
        f["tier"] = np.array([b"auto"] * 7 + [b"large"], dtype="S5")


types()
loop()
rows()
