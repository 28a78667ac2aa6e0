using System.IO;
using Xunit;

namespace Hutch.Block.Tests;

/// <summary>A test that compares with qemu-img; skipped, visibly, where there is none.</summary>
internal sealed class QemuImgFactAttribute : FactAttribute
{
    public QemuImgFactAttribute()
    {
        if (!File.Exists(QemuImg.Path)) Skip = $"{QemuImg.Path} is not installed.";
    }
}

/// <summary>As <see cref="QemuImgFactAttribute"/>, for several cases.</summary>
internal sealed class QemuImgTheoryAttribute : TheoryAttribute
{
    public QemuImgTheoryAttribute()
    {
        if (!File.Exists(QemuImg.Path)) Skip = $"{QemuImg.Path} is not installed.";
    }
}
