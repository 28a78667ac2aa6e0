using System;

namespace Hutch.Block.Tests;

/// <summary>A test that compares with qemu-img; skipped, visibly, where there is none.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class QemuImgFactAttribute() : QemuFactAttribute("qemu-img");

/// <summary>As <see cref="QemuImgFactAttribute"/>, for several cases.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class QemuImgTheoryAttribute() : QemuTheoryAttribute("qemu-img");
