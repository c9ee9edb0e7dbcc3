"""The only folder that imports Ray and Optuna."""
