using System;
using System.Collections.Generic;
using System.Linq;
using Hutch.Devices;
using Hutch.Model.Machine;
using Hutch.Tests.Tidy;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Xunit;

namespace Hutch.Tests.Architecture;

/// <summary>The function that builds a machine grows in every VMM that lets it name devices. Ours does not.</summary>
public sealed class BuilderTests
{
    [Fact]
    public void The_builder_names_no_device()
    {
        HashSet<string> devices = [.. typeof(IDevice).Assembly.GetTypes().Where(IsDevice).Select(type => type.Name), .. typeof(DeviceConfig).Assembly.GetTypes()
            .Where(type => type.IsSubclassOf(typeof(DeviceConfig))).Select(type => type.Name)];
        Assert.NotEmpty(devices);
        List<string> found = [];
        foreach (string file in Repository.Sources("src/Hutch.Vmm"))
            foreach (SyntaxToken token in Repository.Tree(file).DescendantTokens().Where(token => token.IsKind(SyntaxKind.IdentifierToken) && devices.Contains(token.Text) && !IsMember(token)))
                found.Add($"{Repository.Place(file, token.Parent!)}: names the device {token.Text}; let its factory do this.");
        Findings.None(found);
    }

    [Fact]
    public void Devices_know_no_engine_and_engines_no_device()
    {
        Assert.DoesNotContain(Repository.Sources("src/Hutch.Devices", "src/Hutch.Core"), file => Uses(file, "Hutch.Cpu") || Uses(file, "Hutch.Kvm"));
        Assert.DoesNotContain(Repository.Sources("src/Hutch.Cpu", "src/Hutch.Core"), file => Uses(file, "Hutch.Devices") || Uses(file, "Hutch.Block"));
    }

    /// <summary>A property that has the same name as a device.</summary>
    private static bool IsMember(SyntaxToken token) => token.Parent is IdentifierNameSyntax name
        && (name.Parent is AssignmentExpressionSyntax assignment && assignment.Left == name || name.Parent is MemberAccessExpressionSyntax access && access.Name == name);

    private static bool IsDevice(Type type) => !type.IsInterface && type.GetInterfaces().Any(contract =>
        contract == typeof(IDevice) || contract.IsGenericType && contract.GetGenericTypeDefinition() == typeof(IDeviceFactory<>));

    private static bool Uses(string file, string space) => Repository.Text(file).Contains($"using {space}", StringComparison.Ordinal);
}
