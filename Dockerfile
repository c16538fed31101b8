# A server for one student, on the CPU. It does not run as root and writes only to /tmp:
#
#   docker build -t distilwhy .
#   docker run --read-only --tmpfs /tmp -p 127.0.0.1:8000:8000 -e DISTILWHY_API_KEY \
#     -v "$PWD/mytask/runs/experiment/students/step-by-step-seed0:/student:ro" distilwhy
FROM python:3.11-slim AS build
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH
WORKDIR /build
COPY constraints.txt ./
# The CPU build of torch; PyPI's draws several GB of CUDA packages.
RUN pip install --no-cache-dir -c constraints.txt torch \
    --index-url https://download.pytorch.org/whl/cpu
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip install --no-cache-dir -c constraints.txt ".[serve]"

FROM python:3.11-slim
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD \
    ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/ready')"]
ENTRYPOINT ["distilwhy", "serve", "/student"]
CMD ["--host", "0.0.0.0"]
