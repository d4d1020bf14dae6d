# Lets `node-gyp rebuild` reach the one real build, which is CMakeLists.txt.
{ 'targets': [{ 'target_name': 'grpo_native', 'type': 'none', 'actions': [{
    'action_name': 'cmake_js', 'inputs': ['CMakeLists.txt'], 'outputs': ['build/Release/grpo_native.node'],
    'action': ['node', 'node_modules/cmake-js/bin/cmake-js', 'compile', '--out', 'build/cmake'] }] }] }
