"""What a folder of images is, before anything is trained: its layout, and an audit planned for it."""
