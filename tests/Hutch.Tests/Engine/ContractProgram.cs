using System;
using System.Linq;
using System.Reflection;
using Xunit;
using Xunit.Sdk;

namespace Hutch.Tests.Engine;

/// <summary>
/// Runs the engines' contract without a test host: <c>dotnet Hutch.Tests.dll [WORD]</c>, where only a runtime is at hand (the KVM lab). Prints a line
/// for each test; the status is 1 when one failed. <c>WORD</c> is part of a test's full name.
/// </summary>
internal static class ContractProgram
{
    private static int Main(string[] arguments)
    {
        string word = arguments.Length == 0 ? "" : arguments[0];
        int passed = 0, failed = 0, skipped = 0;
        foreach (Type type in typeof(ContractProgram).Assembly.GetTypes().Where(type => type.Namespace == typeof(ContractProgram).Namespace).OrderBy(type => type.Name, StringComparer.Ordinal))
            foreach (MethodInfo method in type.GetMethods().Where(method => method.GetCustomAttribute<TheoryAttribute>() is not null))
                foreach (DataAttribute data in method.GetCustomAttributes<DataAttribute>())
                    foreach (object[] row in data.GetData(method))
                    {
                        string name = $"{type.Name}.{method.Name}({string.Join(", ", row)})";
                        if (!name.Contains(word, StringComparison.OrdinalIgnoreCase)) continue;
                        string? reason = data.Skip;
                        if (reason is not null) skipped++;
                        else if (Problem(type, method, row) is not string problem) passed++;
                        else
                        {
                            failed++;
                            reason = problem;
                        }
                        Console.WriteLine(reason is null ? $"passed  {name}" : data.Skip is null ? $"FAILED  {name}: {reason}" : $"skipped {name}: {reason}");
                    }
        Console.WriteLine($"{passed} passed, {failed} failed, {skipped} skipped");
        return failed == 0 ? 0 : 1;
    }

    private static string? Problem(Type type, MethodInfo method, object[] row)
    {
        object instance = Activator.CreateInstance(type)!;
        try
        {
            method.Invoke(instance, row);
            return null;
        }
        catch (TargetInvocationException thrown)
        {
            return thrown.InnerException!.ToString();
        }
        finally
        {
            (instance as IDisposable)?.Dispose();
        }
    }
}
