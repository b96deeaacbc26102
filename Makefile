# Everything runs in .venv, which install.py makes. CONTRIBUTING.md says how to do without make.
PYTHON ?= python3
BIN    := .venv/bin
BUILD  := $(BIN)/jupyter-book build book -W --keep-going
# One thread per process: side by side, the threads of several would wait for each other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal
# Torch comes from pip itself, with what its file for this system asks for.
CUDA   := $(addprefix nvidia-,cublas cuda-cupti cuda-nvrtc cuda-runtime cudnn-cu13 cufft cufile \
          curand cusolver cusparse cusparselt-cu13 nccl-cu13 nvjitlink nvshmem-cu13 nvtx) \
          $(addprefix cuda-,bindings pathfinder toolkit)
# A Python that was named is meant; the default one may have another version than .venv.
NAMED  := $(if $(filter file,$(origin PYTHON)),,--this-python)

.DEFAULT_GOAL := help
.PHONY: help env book test nightly newest serve notebooks assignments figures pdf lock doctor clean

help:            ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 13

env:             ## make or mend .venv, with the versions of requirements.lock
	@$(PYTHON) install.py $(NAMED)

book: env        ## run every chapter in full and build the book
	@rm -f _build/stamp.json
	W2S_FAST=0 $(BUILD)
	@$(BIN)/python book/_ext/stamp.py
	@echo 'Open file://$(CURDIR)/_build/html/index.html, or run `make serve`.'

test: env        ## lint, types, unit tests, doctests, all chapters in fast mode, the built site
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@$(BIN)/mypy & types=$$!; \
	$(PYTEST) -m 'not nightly' --doctest-modules tests w2s_tutorial; tests=$$?; \
	wait $$types && exit $$tests

nightly: env     ## the tests that are too long for every day: all visits to all pages
	$(PYTEST) -m nightly tests

newest:          ## the tests with today's versions of everything, in .venv-newest
	@$(PYTHON) install.py --newest
	OMP_NUM_THREADS=1 .venv-newest/bin/python -m pytest -n auto --dist worksteal -m 'not nightly' tests

serve: book      ## build the book and serve it at http://localhost:8000
	$(BIN)/python -m http.server --bind localhost --directory _build/html 8000

notebooks: env   ## write the chapters' notebooks for Colab
	$(BIN)/python book/_ext/colab_notebooks.py

assignments: env ## write student notebooks, answer keys and autograders of the assignments
	$(BIN)/python assignments/make.py

figures: book    ## write every figure as SVG and PNG, light and dark, for slides
	$(BIN)/python book/_ext/figure_files.py

pdf: book        ## print the whole book into one file, _build/book.pdf
	$(BIN)/python book/_ext/pdf_file.py

lock: env        ## write requirements.lock anew, with today's versions and their hashes
	$(BIN)/python -m pip install --quiet uv
	printf 'setuptools>=77\n' | $(BIN)/uv pip compile pyproject.toml - --extra test \
	    --constraint constraints.txt --universal --python-version 3.11 --generate-hashes \
	    --no-header --no-annotate --quiet --upgrade --output-file requirements.lock \
	    $(foreach name,torch triton $(CUDA),--no-emit-package $(name))

doctor:          ## say what this machine has: Python, versions, browser, data, GPU
	@$(PYTHON) install.py --doctor

clean:           ## delete everything that was built; the next target starts from nothing
	rm -rf _build .venv .venv-newest *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
