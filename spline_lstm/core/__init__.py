"""What every folder uses: errors, params, schema, timestamps, artefacts, the frame of a stage."""
