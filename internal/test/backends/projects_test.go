package backends

import "strings"

// backend is a build backend, and how its projects are written.
type backend struct {
	name     string
	requires string // of pyproject.toml
	module   string // build-backend of pyproject.toml
	compiles string // the language of the extension module in its projects, or ""
	// files are those of a project besides its Python package. In them PROJECT is the project,
	// IMPORTABLE its package, and DIRECTORY where that is: "src/" or "".
	files map[string]string
}

const (
	project = `[project]
name = "PROJECT"
version = "1.0"
description = "a sample"
requires-python = ">=3.8"
dependencies = ["six"]

[project.scripts]
PROJECT = "IMPORTABLE:main"
`
	// poetry-core reads the table of the standard since 2.0, which needs Python 3.9.
	poetryProject = `[tool.poetry]
name = "PROJECT"
version = "1.0"
description = "a sample"
authors = ["kis tests"]

[tool.poetry.dependencies]
python = ">=3.8"
six = "*"

[tool.poetry.scripts]
PROJECT = "IMPORTABLE:main"
`
	extension = `#include <Python.h>
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "native", 0, -1, 0};
PyMODINIT_FUNC PyInit_native(void)
{
	PyObject *module = PyModule_Create(&definition);
	if (module)
		PyModule_AddStringConstant(module, "LANGUAGE", "C");
	return module;
}
`
	meson = `project('IMPORTABLE', 'c', version: '1.0')
python = import('python').find_installation(pure: false)
python.install_sources('DIRECTORYIMPORTABLE/__init__.py', 'DIRECTORYIMPORTABLE/data.txt', subdir: 'IMPORTABLE')
python.extension_module('native', 'native.c', subdir: 'IMPORTABLE', install: true)
`
	pureMeson = `project('IMPORTABLE', version: '1.0')
python = import('python').find_installation()
python.install_sources('DIRECTORYIMPORTABLE/__init__.py', 'DIRECTORYIMPORTABLE/data.txt', subdir: 'IMPORTABLE', pure: true)
`
	pureCMake = `cmake_minimum_required(VERSION 3.15)
project(IMPORTABLE LANGUAGES NONE)
`
	cmake = `cmake_minimum_required(VERSION 3.15)
project(IMPORTABLE LANGUAGES C)
find_package(Python REQUIRED COMPONENTS Interpreter Development.Module)
python_add_library(native MODULE native.c WITH_SOABI)
install(TARGETS native DESTINATION IMPORTABLE)
`
	cargo = `[package]
name = "IMPORTABLE"
version = "1.0.0"
edition = "2021"

[lib]
name = "native"
crate-type = ["cdylib"]

[dependencies]
pyo3-ffi = { version = "0.23", features = ["extension-module"] }

[profile.release]
opt-level = 0
`
	rust = `use pyo3_ffi::*;

static mut DEFINITION: PyModuleDef = PyModuleDef {
    m_base: PyModuleDef_HEAD_INIT,
    m_name: c"native".as_ptr(),
    m_doc: std::ptr::null(),
    m_size: 0,
    m_methods: std::ptr::null_mut(),
    m_slots: std::ptr::null_mut(),
    m_traverse: None,
    m_clear: None,
    m_free: None,
};

#[allow(non_snake_case)]
#[no_mangle]
pub unsafe extern "C" fn PyInit_native() -> *mut PyObject {
    let module = PyModule_Create(std::ptr::addr_of_mut!(DEFINITION));
    if !module.is_null() {
        PyModule_AddStringConstant(module, c"LANGUAGE".as_ptr(), c"Rust".as_ptr());
    }
    module
}
`
	source = `import pkgutil
import sys

import six

DEFINITION


def main():
    if sys.argv[1:]:
        return 7
    print("works", pkgutil.get_data(__name__, "data.txt").decode().strip(), six.__name__, LANGUAGE, __file__)
`
)

// backends are in the order of the table.
func backends() []backend {
	return []backend{
		{name: "setuptools", requires: "setuptools>=64", module: "setuptools.build_meta", files: map[string]string{
			"pyproject.toml": project + "\n[tool.setuptools.package-data]\n\"*\" = [\"*.txt\"]\n",
		}},
		{name: "hatchling", requires: "hatchling", module: "hatchling.build", files: map[string]string{"pyproject.toml": project}},
		{name: "flit", requires: "flit_core>=3.4", module: "flit_core.buildapi", files: map[string]string{"pyproject.toml": project}},
		{name: "poetry-core", requires: "poetry-core", module: "poetry.core.masonry.api", files: map[string]string{"pyproject.toml": poetryProject}},
		{name: "pdm-backend", requires: "pdm-backend", module: "pdm.backend", files: map[string]string{"pyproject.toml": project}},
		{name: "uv_build", requires: "uv_build", module: "uv_build", files: map[string]string{
			"pyproject.toml": project + "\n[tool.uv.build-backend]\nmodule-root = \"DIRECTORY\"\n",
		}},
		{name: "maturin", requires: "maturin>=1,<2", module: "maturin", compiles: "Rust", files: map[string]string{
			"pyproject.toml": project + "\n[tool.maturin]\npython-source = \"DIRECTORY.\"\nmodule-name = \"IMPORTABLE.native\"\n", "Cargo.toml": cargo, "src/lib.rs": rust,
		}},
		{name: "meson-python", requires: "meson-python", module: "mesonpy", compiles: "C", files: map[string]string{
			"pyproject.toml": project, "meson.build": meson, "native.c": extension,
		}},
		{name: "scikit-build-core", requires: "scikit-build-core", module: "scikit_build_core.build", compiles: "C", files: map[string]string{
			"pyproject.toml": project, "CMakeLists.txt": cmake, "native.c": extension,
		}},
	}
}

// pure is the backend with projects that need no compiler, if it can have some.
func (b backend) pure() backend {
	switch b.name {
	case "meson-python":
		b.compiles, b.files = "", map[string]string{"pyproject.toml": project, "meson.build": pureMeson}
	case "scikit-build-core":
		b.compiles, b.files = "", map[string]string{"pyproject.toml": project, "CMakeLists.txt": pureCMake}
	}
	return b
}

// project is what the application is called.
func (b backend) project() string { return "sample-" + strings.ReplaceAll(b.name, "_", "-") }

// importable is the name of its Python package.
func (b backend) importable() string { return strings.ReplaceAll(b.project(), "-", "_") }

// write returns the files of a project whose Python package is in a directory.
func (b backend) write(directory string) map[string]string {
	definition := "LANGUAGE = \"Python\""
	if b.compiles != "" {
		definition = "from .native import LANGUAGE"
	}
	files := map[string]string{
		"DIRECTORYIMPORTABLE/__init__.py": strings.ReplaceAll(source, "DEFINITION", definition),
		"DIRECTORYIMPORTABLE/data.txt":    "data\n",
	}
	for name, text := range b.files {
		if name == "pyproject.toml" {
			text = "[build-system]\nrequires = [\"" + b.requires + "\"]\nbuild-backend = \"" + b.module + "\"\n\n" + text
		}
		files[name] = text
	}
	written, names := map[string]string{}, strings.NewReplacer("PROJECT", b.project(), "DIRECTORY", directory, "IMPORTABLE", b.importable())
	for name, text := range files {
		written[names.Replace(name)] = names.Replace(text)
	}
	return written
}
