# The service of a pipeline folder, with the versions of the lock:
#   docker build -t spline-lstm .
#   docker run -p 127.0.0.1:8000:8000 -v "$PWD:/pipeline" spline-lstm
FROM python:3.11-slim
WORKDIR /app
RUN pip install --no-cache-dir uv==0.13.8
COPY requirements-all.lock ./
RUN uv pip install --system --no-cache --require-hashes --requirements requirements-all.lock
COPY pyproject.toml README.md LICENSE ./
COPY spline_lstm spline_lstm
RUN uv pip install --system --no-cache --no-deps --no-build-isolation .
RUN useradd --create-home service
USER service
EXPOSE 8000
ENTRYPOINT ["spline-lstm", "serve", "--host", "0.0.0.0"]
CMD ["/pipeline"]
