is_ready = False


def init_settings():
    global is_ready
    is_ready = True
