# Everything runs in .venv, which the first target makes. CONTRIBUTING.md says how to do without make.
PYTHON ?= python3
BIN    := .venv/bin
BUILD  := $(BIN)/jupyter-book build book -W --keep-going

.DEFAULT_GOAL := help
.PHONY: help book test serve notebooks assignments figures pdf clean

help:            ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 12

book: .venv/ok   ## run every chapter in full and build the book
	W2S_FAST=0 $(BUILD)
	@echo 'Open file://$(CURDIR)/_build/html/index.html, or run `make serve`.'

test: .venv/ok   ## lint, types, unit tests, doctests, all chapters in fast mode, the built site
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --doctest-modules tests w2s_tutorial

serve: book      ## build the book and serve it at http://localhost:8000
	$(BIN)/python -m http.server --bind localhost --directory _build/html 8000

notebooks: .venv/ok  ## write the chapters' notebooks for Colab
	$(BIN)/python book/_ext/colab_notebooks.py

assignments: .venv/ok  ## write student notebooks, answer keys and autograders of the assignments
	$(BIN)/python assignments/make.py

figures: book    ## write every figure as SVG and PNG, light and dark, for slides
	$(BIN)/python book/_ext/figure_files.py

pdf: book        ## print the whole book into one file, _build/book.pdf
	$(BIN)/python book/_ext/pdf_file.py

clean:           ## delete everything that was built; the next target starts from nothing
	rm -rf _build .venv *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The stamp is newer than the files it depends on exactly when the environment holds them.
.venv/ok: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	@touch $@
