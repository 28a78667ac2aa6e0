using System.Collections.Generic;
using System.IO;
using System.Linq;
using Hutch.Tests.Tidy;

namespace Hutch.Tests.Daemon.Libvirt.Xml;

/// <summary>Documents that stock clients sent and stock libvirt 9.0 printed.</summary>
internal static class Fixture
{
    /// <summary>Paths below the folder: <c>client-in/domain--vi-uefi.xml</c>.</summary>
    internal static IEnumerable<string> Names(string folder, string pattern) =>
        Repository.Files($"tests/Hutch.Tests/Daemon/Libvirt/Xml/Fixtures/{folder}", pattern).Select(file => $"{folder}/{Path.GetFileName(file)}").Order();

    internal static string Read(string name) => File.ReadAllText(Path.Combine(Repository.Root, "tests/Hutch.Tests/Daemon/Libvirt/Xml/Fixtures", name));
}
