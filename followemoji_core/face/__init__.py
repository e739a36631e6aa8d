"""From pictures to landmark images: detect, solve geometry, align, draw. numpy and OpenCV only, no torch."""
