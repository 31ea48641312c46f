# Everything is made in .venv; a stamp per set of requirements makes the second run instant.
# PYTHON=/path/to/python chooses the interpreter, CI=true turns a missing part into a failure.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install demo test check static core docs assets browser kafka promtool faults tour bench diff fmt lock clean

# Bytecode is kept between runs, whatever the shell says: compiling all again costs each process of tests some seconds.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?=
BASE ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install
ASSETS := api/frame/static/vendor/htmx.min.js
CORE_TESTS := $(wildcard $(addprefix tests/,knowledge_base rules_lib pipeline detectors casework reference)) \
	tests/deploy/test_house.py tests/deploy/test_settings.py

help:  ## 这份说明 / this list
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: .venv/.run $(ASSETS)  ## 只安装，不模拟 / install, and simulate nothing

demo: .venv/.run $(ASSETS)  ## 模拟一个县并打开工作台 / simulate a county and open the desk
	@$(BIN)/fundwatch demo

check: .venv/.dev  ## 提交之前: 格式, 规范, 类型, 依赖方向, 核心测试 / before a change is handed in (< 60 s)
	@$(MAKE) --no-print-directory --jobs=2 static core

core: .venv/.dev
	@$(BIN)/python -m pytest -q -m 'not (faults or reach)' --numprocesses=2 --dist=loadfile --no-loadscope-reorder $(CORE_TESTS)

test: static assets browser kafka promtool  ## check 加上其余全部测试 / check and every other test
	@$(BIN)/python -m pytest --all-tests --numprocesses=3 --dist=loadfile --no-loadscope-reorder --durations=10

faults: .venv/.dev kafka  ## 弄坏一切，写入 docs/faults.md / break everything on purpose and write docs/faults.md
	@FAULTS_PAGE=docs/faults.md $(BIN)/python -m pytest tests/faults tests/api/hospital -m faults

tour: .venv/.dev assets browser  ## 重新拍摄 docs/tour.md 的图 / take the pictures of docs/tour.md anew
	@TAKE_TOUR=1 $(BIN)/python -m pytest -q tests/api/test_tour.py

bench: .venv/.dev  ## 测量速度, 写入 bench/results / measure and write bench/results
	@$(BIN)/python -m bench

docs: .venv/.dev  ## 由类型生成的文档 / the documents that are made from the types
	@$(BIN)/python -m streams.messages.schemas
	@$(BIN)/python -m rules_lib.rule_files_page
	@$(BIN)/python -m api.hospital.openapi

diff: .venv/.dev  ## 改动使一个月的疑点有何不同, BASE=版本 / what a change does to a month's findings, against BASE
	@$(BIN)/python -m bench.diff $(BASE)

fmt: .venv/.dev  ## 整理格式 / format the sources
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: .venv/.dev  ## 重新固定依赖版本 / pin the newest versions of the requirements
	@cd requirements; for name in run build dev node java; do \
		../$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
			--no-emit-index-url --no-emit-find-links $$name.in --output-file $$name.txt; \
	done

clean:  ## 删除 .venv 与缓存, 保留 var 中的数据 / remove .venv and caches, keep the data in var
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis api/frame/static/vendor

static: .venv/.dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

assets: $(ASSETS)

$(ASSETS): deploy/assets.py | .venv/.run
	@$(BIN)/python -m deploy.assets
	@touch $@

browser:
	@.ci/browser

kafka: | .venv/.run
	@.ci/kafka

promtool:
	@.ci/promtool

.venv/bin/python:
	@for python in "$(PYTHON)" python3.11 python3.12 python3.13 python3.14 python3; do \
		[ -n "$$python" ] || continue; \
		"$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		"$$python" -m venv .venv && exit 0; \
	done; \
	echo '需要 Python 3.11 或更新版本(含 venv) / Python 3.11 or newer with venv is needed; name it with make PYTHON=...' >&2; \
	exit 1

# Wheels alone for what is pinned: nothing is compiled, and no code of a package runs while it is installed.
.venv/.run: requirements/run.txt requirements/build.txt pyproject.toml | .venv/bin/python
	@echo '安装运行环境 / installing what Fundwatch runs on'
	@$(PIP) --require-hashes --only-binary :all: -r requirements/run.txt -r requirements/build.txt
	@$(PIP) --no-deps --no-build-isolation --no-index --editable .
	@touch $@

.venv/.dev: requirements/dev.txt .venv/.run
	@echo '安装检查工具 / installing what checks it'
	@$(PIP) --require-hashes --only-binary :all: -r requirements/dev.txt
	@touch $@
